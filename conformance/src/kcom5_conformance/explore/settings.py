"""The settings of `explore`. This module does not import Hypothesis, which most commands do not need."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from .. import files
from ..errors import UsageError
from ..results import Role
from .script import Script, from_json, from_text

ROLES: dict[Role, str] = {"server": "send", "client": "receive"}
"""Roles, with the feature that each needs of an adapter."""


def replayed(given: str) -> Script:
    """Returns the script of `--replay`. Raises UsageError for invalid text."""
    path = Path(given)
    try:
        is_file = len(given) < 256 and path.is_file()
        return from_text(path.read_text("utf-8") if is_file else given)
    except (OSError, ValueError) as error:
        hint = "a script is what `again` of a report prints, or a file that `explore --save DIR` wrote"
        raise UsageError(f"{given[:40]} is not a conversation: {error}", hint) from None


class Settings:
    """The parameters of exploring, and the folder for failures."""

    def __init__(self, seed: int, seconds: float, scale: float, jobs: int, *, examples: int = 0,
                 folder: Path | None = None, is_first_enough: bool = False,
                 replayed: Sequence[Script] = ()) -> None:  # fmt: skip
        self.seed, self.seconds, self.scale, self.jobs = seed, seconds, scale, jobs
        self.examples, self.is_first_enough, self._folder = examples, is_first_enough, folder
        self.replayed = list(replayed)
        """If not empty, only these conversations are played."""
        self.defects: list[BaseException] = []
        """Errors of the suite itself."""
        if folder is not None:
            files.check_folder(folder)

    def saved(self) -> list[Script]:
        """Returns the scripts of an earlier run. Raises UsageError for a file that is not a script."""
        scripts = []
        for file in sorted(self._folder.glob("*.json")) if self._folder else []:
            try:
                scripts.append(from_json(json.loads(file.read_text("utf-8"))))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise UsageError(f"{file} is not a saved conversation: {error}", "remove it") from error
        return scripts

    def save(self, script: Script) -> None:
        if self._folder is not None:
            name = hashlib.sha256(str(script).encode()).hexdigest()[:12]
            (self._folder / f"{script.role}-{name}.json").write_text(f"{script}\n", "utf-8")
