"""Finds how the suite was started, so that every printed command can be pasted into a shell."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

SCRIPT = "kcom5-conformance"
STARTED_BY = "KCOM5_CONFORM"
"""The environment variable in which the repository's `./conform` passes its own path."""


@cache
def command() -> str:
    """Returns the shell command that starts the suite, in place of `kcom5-conformance`."""
    if script := os.environ.get(STARTED_BY):
        return shlex.quote("./conform" if Path(script).parent == Path.cwd() else script)
    started = Path(sys.argv[0])
    if started.name == SCRIPT:
        found = shutil.which(SCRIPT)
        is_found = found is not None and Path(found).resolve() == started.resolve()
        return SCRIPT if is_found else shlex.quote(str(started.absolute()))
    module = f"{shlex.quote(sys.executable)} -m kcom5_conformance"
    path = os.environ.get("PYTHONPATH")
    return f"PYTHONPATH={shlex.quote(path)} {module}" if path else module


def command_after_cd() -> str:
    """Returns the command for a shell in another folder."""
    script = os.environ.get(STARTED_BY)
    return shlex.quote(script) if script else command()
