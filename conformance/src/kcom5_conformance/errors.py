"""Errors that the user can fix, and how to unpack an exception group."""

from __future__ import annotations


class UsageError(Exception):
    """Ends the command with exit code 2. `str()` is one sentence that says what is wrong; `hint` says what to do, and
    may be empty."""

    def __init__(self, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.hint = hint


def leaves(error: BaseException) -> list[BaseException]:
    """Returns the exceptions inside a group, or the exception itself."""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return [leaf for one in inner for leaf in leaves(one)] if inner else [error]
