"""Checks before all cases whether the program is an adapter, and whether a valid exchange is possible."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import trio

from ..results import Json, Result, Role, Verdict
from .adapter import Adapter, AdapterError, Crashed, Hung, Misplaced
from .attempt import ask, attempt, one_exchange
from .case import Case
from .ports import TRANSPORTS, why_not
from .subject import Subject
from .verdicts import result_of

RULES = {"server": "frame.order", "client": "data.opaque"}
"""The rule that a failed valid exchange is reported under."""


class AdapterBroken(Exception):
    """The adapter breaks the contract, so no case can test the implementation."""


@dataclass
class Smoke:
    """The result of the smoke stage."""

    about: Json
    tick: float
    failures: list[Result]
    """Valid exchanges that failed."""

    @property
    def supports(self) -> frozenset[str]:
        """Returns what the adapter supports, without the transports that this machine lacks."""
        return frozenset(name for name in self.about["supports"] if name not in TRANSPORTS or not why_not(name))

    def has_failed(self, case: Case) -> bool:
        """Returns whether the valid exchange in the case's role over its transport failed."""
        return any((result.role, result.via) == (case.role, case.via) for result in self.failures)


async def smoke(subject: Subject, patience: float) -> Smoke:
    """Checks the adapter and runs valid exchanges. Raises AdapterBroken."""
    adapter = subject.adapter()
    try:
        await adapter.start()
        return await _smoke(subject, adapter, patience)
    except AdapterError as error:
        raise AdapterBroken(str(error)) from error
    finally:
        with trio.CancelScope(shield=True):
            fault = await adapter.close(patience)
        if fault and sys.exc_info()[0] is None:
            raise AdapterBroken(fault)


async def _smoke(subject: Subject, adapter: Adapter, patience: float) -> Smoke:
    about = await ask(adapter, {"op": "about"}, 2 * patience, "answer-about")
    supports = set(about["supports"])
    await adapter.ask({"op": "dance"}, patience, is_in_contract=False)
    with trio.move_on_after(patience) as scope:
        answer = await adapter.answer("unsupported", "answer")
    if scope.cancelled_caught:
        raise await adapter.hang(patience)
    if answer != {"unsupported": True}:
        raise AdapterBroken(
            f"the adapter answers an op that does not exist by {answer}, expected {{'unsupported': true}}"
        )
    roles: list[Role] = []
    if "send" in supports:
        roles.append("server")
    if "receive" in supports:
        roles.append("client")
    vias = [via for via in TRANSPORTS if via in supports]
    found = Smoke(about, 0.02, [])
    here = [via for via in vias if via in found.supports]
    took = []
    for role in roles:
        for via in here:
            case = Case(f"smoke/{role}@{via}", RULES[role], "MUST", role, via, "a right exchange", one_exchange(role))
            for _ in range(2):
                if not adapter.is_running:
                    await adapter.start()
                outcome = await attempt(case, adapter, found.tick, patience)
                if outcome.is_defect:
                    raise outcome.error  # type: ignore[misc]
                # A crash or hang can be the implementation's, so it does not mean that the adapter is broken.
                is_its_own = isinstance(outcome.error, (Crashed, Hung, Misplaced))
                if isinstance(outcome.error, AdapterError) and not is_its_own:
                    raise outcome.error
                if outcome.error is not None:
                    verdict = Verdict.CRASHED if isinstance(outcome.error, Crashed) else Verdict.FAIL
                    found.failures.append(result_of(subject.name, case, verdict, outcome))
                    break
                took.append(outcome.seconds)
    if took:
        found.tick = latency_to_tick(2 * sorted(took)[len(took) // 2])
    return found


def latency_to_tick(seconds: float) -> float:
    """Returns the pause after which sent bytes have surely been read, given the duration of an exchange."""
    return min(0.05, max(0.003, math.ceil(seconds * 1000) / 1000))
