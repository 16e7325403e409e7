"""Every server with every client: over each transport, with several sizes, plain and through a relay that cuts."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import trio

from ..harness.adapter import Adapter, AdapterError
from ..harness.call import clip
from ..harness.case import Case, Mismatch
from ..harness.harness import Harness
from ..harness.ports import TRANSPORTS, why_not
from ..harness.relay import Manner, Relay, write_pcap
from ..harness.smoke import Smoke
from ..harness.subject import Subject
from ..results import Problem, Result, Verdict

SIZES: dict[Manner, tuple[int, ...]] = {
    "plain": (0, 1, 65535, 65536, 1 << 20, 16 << 20),
    "octets": (0, 1, 65535),
    "random": (1, 65536, 1 << 20),
    "delayed": (1, 65535),
}
MESSAGES = (
    "",
    "hi",
    "na\u00efve",
    "\u4f60\u597d\uff0c\u4e16\u754c",
    "\u0645\u0631\u062d\u0628\u0627",
    "\U0001f600" * 9,
)
RULE = "data.opaque"
NOTE = "two implementations that agree with themselves may still disagree with each other"


@dataclass(frozen=True)
class Cell:
    """One exchange."""

    server: str
    client: str
    via: str
    size: int
    manner: Manner
    message: str

    @property
    def id(self) -> str:
        return f"matrix/{self.server}-to-{self.client}/{self.size}/{self.manner}@{self.via}"


def cells(servers: list[str], clients: list[str]) -> Iterator[Cell]:
    """Yields every cell, grouped by direction."""
    for server in servers:
        for client in clients:
            for via in TRANSPORTS:
                for manner, sizes in SIZES.items():
                    for number, size in enumerate(sizes):
                        yield Cell(server, client, via, size, manner, MESSAGES[number % len(MESSAGES)])


async def run(
    subjects: dict[str, tuple[Subject, Smoke]],
    chosen: list[Cell],
    jobs: int,
    patience: float,
    seed: int,
    report: Callable[[Result], None],
    captures: Path | None = None,
) -> list[str]:
    """Runs the cells, each direction with its own pair of adapters. Returns the faults of how these exited."""
    directions: dict[tuple[str, str], list[Cell]] = {}
    for cell in chosen:
        directions.setdefault((cell.server, cell.client), []).append(cell)
    waiting = list(directions.values())
    complaints: list[str] = []

    async def lane() -> None:
        while waiting:
            complaints.extend(await _direction(subjects, waiting.pop(), patience, seed, report, captures))

    async with trio.open_nursery() as nursery:
        for _ in range(jobs):
            nursery.start_soon(lane)
    return complaints


async def _direction(
    subjects: dict[str, tuple[Subject, Smoke]],
    chosen: list[Cell],
    patience: float,
    seed: int,
    report: Callable[[Result], None],
    captures: Path | None,
) -> list[str]:
    adapters: dict[str, Adapter] = {}
    ends = {"server": chosen[0].server, "client": chosen[0].client}
    try:
        for cell in chosen:
            supports = {role: set(subjects[name][1].about["supports"]) for role, name in ends.items()}
            result = Result(cell.id, f"{cell.server}>{cell.client}", RULE, "MUST", "both", cell.via, NOTE, Verdict.PASS)
            needs = {"server": {"send", cell.via}, "client": {"receive", cell.via}}
            missing = [f"{ends[role]}: {', '.join(sorted(needs[role] - supports[role]))}" for role in ends
                       if needs[role] - supports[role]]  # fmt: skip
            if here := why_not(cell.via):
                result.verdict, result.reason = Verdict.NOT_RUN, here
            elif missing:
                result.verdict, result.reason = Verdict.UNSUPPORTED, f"not supported by {'; '.join(missing)}"
            else:
                tick = max(subjects[name][1].tick for name in ends.values())
                start = time.monotonic()
                try:
                    for role, name in ends.items():
                        if role in adapters:
                            await adapters[role].check()
                        if role not in adapters or not adapters[role].is_running:
                            adapters[role] = subjects[name][0].adapter()
                            await adapters[role].start()
                    error = await _exchange(cell, adapters, tick, patience, seed, result, captures)
                except AdapterError as failure:
                    error = failure
                if error is not None:
                    result.verdict, result.failed, result.problems = Verdict.FAIL, 1, [_problem(error)]
                    # A call still running on the other side must not answer the next request.
                    for adapter in adapters.values():
                        await adapter.kill()
                result.seconds = time.monotonic() - start
            report(result)
        complaints = []
        for role, adapter in adapters.items():
            if fault := await adapter.close(patience):
                complaints.append(f"{ends[role]}: {fault}")
        return complaints
    finally:
        for adapter in adapters.values():
            await adapter.kill()


async def _exchange(
    cell: Cell,
    adapters: dict[str, Adapter],
    tick: float,
    patience: float,
    seed: int,
    result: Result,
    captures: Path | None,
) -> Mismatch | AdapterError | None:
    """Runs a cell. Returns the faults."""
    error: Mismatch | AdapterError | None = None
    case = Case(cell.id, RULE, "MUST", "both", cell.via, NOTE, _nothing)
    async with trio.open_nursery() as nursery:
        server = Harness(case, adapters["server"], nursery, tick, patience)
        client = Harness(case, adapters["client"], nursery, tick, patience, started=server.started, rungs=server.rungs)
        relay = Relay(server, cell.manner, seed)
        try:
            sending = await server.send(cell.message, {"size": cell.size, "fill": "counter251"})
            place = await nursery.start(relay.run, sending.place)
            receiving = await client.call("receive", place)
            # The cuts slow each direction, so the suite allows more time.
            answer = await receiving.result(4 * patience)
            if "ok" not in answer:
                client.fail("delivered", f"{cell.client}, the client, says {receiving.told}", "success")
            got = (answer["message"], answer["data"]["size"], answer["data"]["sha256"])
            if got != (cell.message, cell.size, _digest(cell.size)):
                expected = f"{(cell.message, cell.size, _digest(cell.size))}"
                shown = (clip(got[0]), *got[1:])
                client.fail("delivered", f"{cell.client} delivers {shown}", expected)
            answer = await sending.result()
            if "ok" not in answer:
                server.fail("delivered", f"{cell.server}, the server, says {sending.told}", "success")
            with trio.move_on_after(patience):
                await relay.ended.wait()  # so that the capture also has both ends
        except (Mismatch, AdapterError) as failure:
            error, result.events = failure, server.events
        finally:
            if captures is not None:
                write_pcap(relay.passed, captures / f"{cell.id.replace('/', '_')}.pcap")
            nursery.cancel_scope.cancel()
    server.clean()
    return error


def _problem(error: Mismatch | AdapterError) -> Problem:
    if isinstance(error, Mismatch):
        return error.problem
    return Problem(RULE, "MUST", "adapter", str(error), "an answer to every request")


async def _nothing(_bench: Harness) -> None:
    raise NotImplementedError


@cache
def _digest(size: int) -> str:
    """Returns the digest of `size` bytes, where byte i is i mod 251."""
    return hashlib.sha256((bytes(range(251)) * (size // 251 + 1))[:size]).hexdigest()
