"""Program-level situations: a row drives one program through a scene, and every program must have the same outcome.

`test_situations.py` runs all rows. They are in `rows_*.py`, command lines in `commandlines.py`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers import NAMES, Json
from world import NotRun, World


@dataclass(frozen=True)
class Row:
    """A scene and its expected outcome."""

    id: str
    expected: Json
    """What is not in it must only be equal among the programs. The value None stands for what must be missing, `...` for
    what may differ. An error has no special `hint` and no other `words` unless they are in it."""
    act: Callable[[World], Json]
    before: Callable[[World], object]


def row(
    id: str,
    expected: Json,
    act: Callable[..., Json],
    *arguments: Any,
    before: Callable[[World], object] = lambda world: None,
    **more: Any,
) -> Row:
    """Returns a row that calls `act` with a world and these arguments, after `before`."""
    return Row(id, expected, lambda world: act(world, *arguments, **more), before)


def outcome(row: Row, name: str) -> Json:
    """Returns the outcome of the row with this program. A broken scene is an outcome too."""
    directory = tempfile.mkdtemp(prefix="kcom5-")
    try:
        with closing(World(name, Path(directory))) as world:
            row.before(world)
            result = row.act(world)
            if "files" in row.expected:
                result["files"] = world.files()
    except NotRun:
        raise
    except Exception as problem:  # noqa: BLE001 (any exception of a scene is its outcome)
        result = {"broken": f"{type(problem).__name__}: {problem}"}
    finally:
        subprocess.run(["chmod", "-R", "u+rwx", directory], check=False, capture_output=True)
        shutil.rmtree(directory, ignore_errors=True)
    kept = {key: value for key, value in result.items() if row.expected.get(key) is not ...}
    text = json.dumps(kept, sort_keys=True).replace(directory, "DIR")
    came: Json = json.loads(re.sub(r"(\[::1\]|127\.0\.0\.1):\d+", r"\1:PORT", text))
    return came


def is_as_expected(came: Json, expected: Json) -> bool:
    unsaid = {"hint": None, "words": None} if "error" in expected else {}
    for key, value in {**unsaid, **expected}.items():
        if key in ("sent", "received") and isinstance(value, dict):
            if not is_as_expected(came[key], value):
                return False
        elif value is not ... and came.get(key) != value:
            return False
    return True


def difference(row: Row) -> str | None:
    """Runs the row with all programs in parallel. Returns unexpected or different outcomes, one line each."""
    with ThreadPoolExecutor(len(NAMES)) as threads:
        outcomes = dict(zip(NAMES, threads.map(lambda name: outcome(row, name), NAMES), strict=True))
    first = outcomes[NAMES[0]]
    if is_as_expected(first, row.expected) and all(came == first for came in outcomes.values()):
        return None
    lines = [f"  {name:8} {str(came)[:1200]}" for name, came in {"expected": row.expected, **outcomes}.items()]
    return "\n".join([row.id, *lines])
