"""A path as the user gives it, in a flag or to the library."""

import os

from jgen.errors import UserError


def expanded(path: str | os.PathLike) -> str:
    """`path` with ~ or ~USER at its beginning replaced by that user's home. Raises UserError for an unknown user."""
    text = os.path.expanduser(os.fspath(path))
    if text.startswith("~"):
        raise UserError(f"{text}: there is no user {text[1:].partition('/')[0]}; for a file of that name give ./{text}")
    return text
