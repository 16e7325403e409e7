"""The oracle of the outcomes that the spec allows. It has no I/O, no clock, and no code of an implementation.

The states and transitions are the tables of the spec's text (`tables`). The walk of each role turns bytes into events,
and adds the outcomes of races between the two ends. In doubt the oracle allows an outcome.
"""

from __future__ import annotations

from dataclasses import replace

from .client_walk import ClientWalk
from .script import Script
from .server_walk import ServerWalk
from .walk import Expected


def expect(script: Script) -> Expected:
    """Returns the outcomes that the spec allows."""
    walk = ClientWalk(script) if script.role == "client" else ServerWalk(script)
    found = walk.walk()
    if walk.lapse is None:
        return found
    # An implementation that is not late ends as if the peer did nothing any more.
    steps = (*script.steps[: walk.lapse], ("stall",), *script.steps[walk.lapse + 1 :])
    late_from = walk.at if walk.late_from is None else walk.late_from
    return replace(expect(replace(script, steps=steps)), late=found, late_from=late_from)
