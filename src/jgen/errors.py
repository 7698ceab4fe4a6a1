"""The one exception that is the user's to mend, and how its text is made fit for a terminal."""


class UserError(Exception):
    """One clear line that names the thing and the way out; scripts print it and exit with code 2."""


def printable(text: str) -> str:
    """`text`, with escapes for what a terminal would act on or could not encode: a name may come from a stranger."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
