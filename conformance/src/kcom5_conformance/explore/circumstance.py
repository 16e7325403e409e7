"""The parameters of a conversation that do not change its outcome."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from .script import Script

_BOUNDS = (150, 0, -1, -(1 << 31), (1 << 31) - 1, 86400, 2147483, 2147484, 4294967, 4294968, 1 << 24)


@dataclass(frozen=True)
class Circumstance:
    """Parameters that do not change the outcome of a conversation."""

    via: str = "tcp6"
    close: int = 30
    before: str | None = None
    in_file: bool = False


def circumstance(chooser: random.Random, supports: frozenset[str]) -> Circumstance:
    """Chooses circumstances that the implementation supports."""
    via = chooser.choice([via for via in ("tcp6", "tcp4", "unix") if via in supports])
    close = chooser.choice(_BOUNDS) if chooser.random() < 0.3 else 30
    before = chooser.choice((None, "", "old")) if "message" in supports else None
    return Circumstance(via, close, before, "file" in supports and chooser.random() < 0.2)


def under(script: Script, case: Circumstance) -> Script:
    """Returns the script in these circumstances, as far as they apply."""
    # Keeps parameters that the script tests: its own bound, and data that must not be in a file.
    close = case.close if script.close == 30 and not script.is_timed else script.close
    in_file = case.in_file and script.data.size <= 1 << 20
    via = "tcp4" if script.port is not None and case.via == "unix" else case.via
    return replace(script, via=via, close=close, before=case.before if script.role == "client" else None,
                   in_file=in_file)  # fmt: skip
