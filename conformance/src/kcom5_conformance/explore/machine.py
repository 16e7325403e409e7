"""State machines over the events of the spec: the tables' machine, and how two machines differ."""

from __future__ import annotations

import shutil
import subprocess
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .tables import FINAL, table

NOTHING = "–"
Word = tuple[str, ...]

ALPHABETS: dict[str, Word] = {
    "server": ("connect", "more", "whole", "wrong", "read", "end", "reset", "timeout"),
    "client": ("connect", "refused", "more", "whole", "wrong", "over", "end", "reset", "timeout"),
}
"""The acts of the peer. `read` reads everything that the server has sent: events `sent` and `acknowledged`."""


@dataclass
class Machine:
    """A Mealy machine. State 0 is the first."""

    role: str
    steps: dict[tuple[int, str], tuple[str, int]] = field(default_factory=dict)
    """Maps state and input to output and next state."""
    names: dict[int, str] = field(default_factory=dict)
    """The names of known states."""

    @property
    def states(self) -> list[int]:
        return sorted({state for state, _ in self.steps})

    def outputs(self, word: Word) -> Word:
        """Returns its output for each input."""
        state, found = 0, []
        for letter in word:
            output, state = self.steps[state, letter]
            found.append(output)
        return tuple(found)


def of_tables(role: str) -> Machine:
    """Returns the machine of the spec's tables as a peer sees it."""
    see = _server if role == "server" else _client
    first = table(role).states[0]
    numbers, machine = {first: 0}, Machine(role, names={0: first})
    waiting = deque([first])
    while waiting:
        state = waiting.popleft()
        for letter in ALPHABETS[role]:
            output, after = see(state, letter)
            # A peer cannot distinguish the two final states.
            after = "ended" if after in FINAL else after
            if after not in numbers:
                numbers[after] = len(numbers)
                machine.names[numbers[after]] = after
                waiting.append(after)
            machine.steps[numbers[state], letter] = (output, numbers[after])
    return machine


def _follow(role: str, state: str, *events: str) -> tuple[str, str]:
    """Applies the events in order. Returns the error or `ok` they lead to, if any, and the state."""
    for event in events:
        cell = table(role).cell(state, event)
        if cell.error:
            return cell.error, "failed"
        state = cell.next or state
    return ("ok" if state == "done" else NOTHING), state


def _server(state: str, letter: str) -> tuple[str, str]:
    """Returns the answer, as a client sees it, of a server with more data than any kernel buffers."""
    if state == "ended" or (letter == "connect" and state != "listening"):
        return NOTHING, state
    if state == "listening":
        if letter == "connect":
            return NOTHING, table("server").cell(state, "connected").next
        return _follow("server", state, "timeout") if letter == "timeout" else (NOTHING, state)
    if letter == "read":
        if state not in ("sending", "half-closed"):
            return NOTHING, state
        answer, after = _follow("server", state, "sent", "acknowledged")
        return ("frame, end" if answer == NOTHING else f"frame, end, {answer}"), after
    if letter in ("whole", "wrong") and state != "hello":
        return NOTHING, state
    answer, after = _follow("server", state, letter)
    return ("echo" if (state, letter) == ("hello", "whole") else answer), after


def _client(state: str, letter: str) -> tuple[str, str]:
    """Returns the answer, as a server sees it, of a client."""
    if state == "ended" or ((letter in ("connect", "refused")) != (state == "connecting") and letter != "timeout"):
        return NOTHING, state
    if letter == "connect":
        return "hello", table("client").cell(state, "connected").next
    if letter == "wrong" and state not in ("echo", "message"):
        return NOTHING, state
    if letter == "over" and state not in ("message-length", "data-length"):
        return NOTHING, state
    return _follow("client", state, letter)


@dataclass(frozen=True)
class Difference:
    """A shortest conversation after which two machines answer differently."""

    word: Word
    got: str
    expected: str
    state: str
    """The state by the tables."""


def differences(learned: Machine, right: Machine, most: int = 20) -> list[Difference]:
    """Returns the shortest word to each difference, shortest first. Names the equal states of `learned`."""
    found: list[Difference] = []
    seen = {(0, 0)}
    waiting: deque[tuple[int, int, Word]] = deque([(0, 0, ())])
    while waiting:
        one, two, word = waiting.popleft()
        learned.names.setdefault(one, right.names[two])
        for letter in ALPHABETS[right.role]:
            (got, after), (expected, wanted) = learned.steps[one, letter], right.steps[two, letter]
            if got != expected:
                found.append(Difference((*word, letter), got, expected, right.names[two]))
            elif (after, wanted) not in seen:
                seen.add((after, wanted))
                waiting.append((after, wanted, (*word, letter)))
    return found[:most]


def to_dot(machine: Machine, title: str, found: list[Difference]) -> str:
    """Returns the machine in the DOT language. Inputs without effect are left out; differences are red."""
    wrong = {(difference.state, difference.word[-1]) for difference in found}
    name: Callable[[int], str] = lambda state: machine.names.get(state, f"state {state}")  # noqa: E731
    lines = [f'digraph "{title}" {{', "  rankdir=LR;", "  node [shape=box, style=rounded];"]
    labels: dict[tuple[int, int, bool], list[str]] = {}
    for (state, letter), (output, after) in sorted(machine.steps.items()):
        is_wrong = (name(state), letter) in wrong
        if after != state or output != NOTHING or is_wrong:
            labels.setdefault((state, after, is_wrong), []).append(f"{letter} / {output}")
    lines += [f'  s{state} [label="{name(state)}"];' for state in machine.states]
    for (state, after, is_wrong), words in labels.items():
        colour = ", color=red, fontcolor=red" if is_wrong else ""
        lines.append(f'  s{state} -> s{after} [label="{_escaped(chr(10).join(words))}"{colour}];')
    return "\n".join([*lines, "}"]) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def draw(dot: str, folder: Path, name: str) -> list[Path]:
    """Writes the DOT file, and an SVG if Graphviz is installed. Returns the paths."""
    file = folder / f"{name}.dot"
    file.write_text(dot, "utf-8")
    if (program := shutil.which("dot")) is None:
        return [file]
    picture = file.with_suffix(".svg")
    subprocess.run([program, "-Tsvg", "-o", picture, file], check=True, timeout=60)
    return [file, picture]
