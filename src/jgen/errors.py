"""The one exception that is the user's to mend."""


class UserError(Exception):
    """One clear line that names the thing and the way out; scripts print it and exit with code 2."""
