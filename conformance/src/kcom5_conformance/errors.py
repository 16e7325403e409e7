"""What the user of the command can mend, and how errors are taken out of a group of them."""

from __future__ import annotations


class UsageError(Exception):
    """It ends the command with exit code 2. `str()` is one sentence on what is wrong; `hint` is what to do about it,
    and may be empty."""

    def __init__(self, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.hint = hint


def leaves(error: BaseException) -> list[BaseException]:
    """The errors that a group of them holds, or the error itself."""
    inner: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    return [leaf for one in inner for leaf in leaves(one)] if inner else [error]
