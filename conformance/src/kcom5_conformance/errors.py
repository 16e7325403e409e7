"""What the user of the command can mend: it ends with exit code 2."""

from __future__ import annotations


class UsageError(Exception):
    """`str()` is one sentence on what is wrong; `hint` is what to do about it, and may be empty."""

    def __init__(self, detail: str, hint: str = "") -> None:
        super().__init__(detail)
        self.hint = hint
