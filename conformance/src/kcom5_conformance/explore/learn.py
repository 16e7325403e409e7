"""Learns the state machine of an implementation from its answers alone and compares it with the tables.

First every word up to a length is played, in parallel. Then AALpy learns from the answers, and asks for further words.
A word whose answer differs from the tables is played again, slower, before the answer is accepted; and again while the
machine is too busy.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import trio
from aalpy.base import SUL, Oracle
from aalpy.learning_algs import run_Lstar

from ..harness import procfs
from ..harness.adapter import Adapter, AdapterError
from ..harness.attempt import PATIENCE, attempt, start_adapter
from ..harness.case import Case, TooBusy
from ..harness.harness import Harness
from ..harness.run import MOST_BUSY
from ..harness.smoke import Smoke
from ..harness.subject import Subject
from .lane import MOST_WAITED
from .machine import ALPHABETS, NOTHING, Difference, Machine, Word, differences, of_tables
from .words import Run, acts

DEPTH = 6
"""Length of the longest word that is played before learning."""
LANES = 12
MOMENT = 0.06
SLOWER = 6.0
"""Factor of every wait for a response at the second try."""
SLOWER_TIMEOUT = 3
"""T in seconds at the second try, so that a slow reader is not taken for a timeout."""
MOST_WRONG = 40
"""The maximum of words that are played again. After these, further differences are accepted at once."""


@dataclass
class Learned:
    """An implementation's machine in one role."""

    machine: Machine
    differences: list[Difference]
    words: int
    """Conversations that were played."""
    seconds: float


@dataclass
class Learner:
    """One implementation, one role."""

    subject: Subject
    smoke: Smoke
    role: str
    scale: float
    via: str = "tcp6"
    played: int = 0
    _known: dict[Word, Word] = field(default_factory=dict)
    _idle: list[Adapter] = field(default_factory=list)
    _again: int = 0

    async def learn(self) -> Learned:
        """Raises AdapterError if the adapter ends."""
        start = trio.current_time()
        self.right = of_tables(self.role)
        self._lanes = trio.CapacityLimiter(LANES)
        try:
            await self._play_all()
            machine = await trio.to_thread.run_sync(self._by_answers)
        finally:
            with trio.CancelScope(shield=True):
                for adapter in self._idle:
                    await adapter.close(1)
                    await adapter.kill()
        found = differences(machine, self.right)
        return Learned(machine, found, self.played, trio.current_time() - start)

    async def _play_all(self) -> None:
        """Plays all words by length. A word that has ended, or has a letter without effect, is not extended."""
        words: list[Word] = [()]
        for _ in range(DEPTH):
            longer = [(*word, letter) for word in words for letter in ALPHABETS[self.role]]
            async with trio.open_nursery() as nursery:
                for word in longer:
                    nursery.start_soon(self.outputs, word)
            words = [word for word in longer if self._grows(word)]

    def _grows(self, word: Word) -> bool:
        return acts(self.role, word) == word and not _has_ended(self._known[word])

    async def outputs(self, word: Word) -> Word:
        """Returns the answers of the implementation, from earlier plays if they are known."""
        if word in self._known:
            return self._known[word]
        done = acts(self.role, word)
        if done != word:
            self._known[word] = await self._with_idle(word, done)
        elif not word:
            self._known[word] = ()
        else:
            before = await self.outputs(word[:-1])
            # Nothing follows an answer, and a prefix must repeat its earlier answers; else it is not a Mealy machine.
            last = NOTHING if _has_ended(before) else (await self._ask(word, before))[-1]
            self._known[word] = (*before, last)
        return self._known[word]

    async def _with_idle(self, word: Word, done: Word) -> Word:
        """Returns the answers, with `NOTHING` for letters that were not possible."""
        answers = iter(await self.outputs(done))
        found: list[str] = []
        for at in range(len(word)):
            is_act = len(acts(self.role, word[: at + 1])) > len(acts(self.role, word[:at]))
            found.append(next(answers) if is_act else NOTHING)
        return tuple(found)

    async def _ask(self, word: Word, before: Word) -> Word:
        expected = self.right.outputs(word)
        async with self._lanes:
            answers, _ = await self._play(word, MOMENT)
            if answers[:-1] != before:
                answers, _ = await self._play(word, MOMENT * SLOWER, SLOWER_TIMEOUT)
            if answers != expected and self._again < MOST_WRONG:
                answers = await self._play_again(word, expected)
                self._again += answers != expected
        return answers

    async def _play_again(self, word: Word, expected: Word) -> Word:
        """Plays a word slower, and repeats it if the answer differs and the machine was too busy."""
        for _ in range(MOST_BUSY):
            answers, waited = await self._play(word, MOMENT * SLOWER, SLOWER_TIMEOUT)
            if answers == expected or waited <= MOST_WAITED:
                break
        return answers

    async def _play(self, word: Word, moment: float, timeout: int = 1) -> tuple[Word, float]:
        """Plays a word on an idle adapter. Returns the answers, and the seconds without a processor meanwhile."""
        adapter = self._idle.pop() if self._idle else self.subject.adapter()
        if not adapter.is_running:
            await start_adapter(adapter, self.scale)
        pids = [os.getpid(), *adapter.processes()]
        waited = procfs.waited(pids)
        moment = max(moment, 3 * self.smoke.tick) * self.scale
        runs: list[Run] = []

        async def run(harness: Harness) -> None:
            runs.append(Run(harness, self.role, word, moment, timeout))
            await runs[0].run()

        role, op = ("server", "send") if self.role == "server" else ("client", "receive")
        needs = frozenset({op, "limits"} & set(self.smoke.about["supports"]))
        case = Case("learn", "result.class", "MUST", role, self.via, "", run, needs)  # type: ignore[arg-type]
        outcome = await attempt(case, adapter, self.smoke.tick, PATIENCE * self.scale)
        waited = procfs.waited(pids) - waited
        self._idle.append(adapter)
        self.played += 1
        answers = list(runs[0].outputs) if runs else []
        if isinstance(outcome.error, AdapterError):
            answers.append("the adapter ended")
        elif outcome.error is not None and not isinstance(outcome.error, TooBusy):
            answers.append(outcome.words.split(",")[0][:60])
        return tuple([*answers, *[NOTHING] * len(word)][: len(word)]), waited

    # ---- AALpy, in a thread of its own

    def _by_answers(self) -> Machine:
        alphabet = list(ALPHABETS[self.role])
        box = _Box(self)
        model: Any = run_Lstar(
            alphabet, box, _Words(alphabet, box, self._known), automaton_type="mealy", print_level=0,
            cache_and_non_det_check=False,
        )  # fmt: skip
        numbers = {model.initial_state.state_id: 0}
        for state in model.states:
            numbers.setdefault(state.state_id, len(numbers))
        machine = Machine(self.role)
        for state in model.states:
            for letter in alphabet:
                after = numbers[state.transitions[letter].state_id]
                machine.steps[numbers[state.state_id], letter] = (state.output_fun[letter], after)
        return machine


def _has_ended(answers: Word) -> bool:
    return any(answer not in (NOTHING, "hello", "echo", "frame, end") for answer in answers)


class _Box(SUL):  # type: ignore[misc]
    """The implementation as a system under learning of AALpy, one word at a time."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self._learner = learner

    def query(self, word: Word) -> list[str]:
        return list(trio.from_thread.run(self._learner.outputs, tuple(word)))

    def pre(self) -> None:
        self._so_far: list[str] = []

    def post(self) -> None:
        self._so_far = []

    def step(self, letter: str) -> str:
        self._so_far.append(letter)
        return self.query(tuple(self._so_far))[-1]


class _Words(Oracle):  # type: ignore[misc]
    """Accepts a machine if it gives the implementation's answers to every played word."""

    def __init__(self, alphabet: list[str], box: SUL, known: dict[Word, Word]) -> None:
        super().__init__(alphabet, box)
        self._known = known

    def find_cex(self, hypothesis: Any) -> Word | None:
        for word, answers in sorted(self._known.items(), key=lambda item: (len(item[0]), item[0])):
            hypothesis.reset_to_initial()
            for at, letter in enumerate(word):
                if hypothesis.step(letter) != answers[at]:
                    return word[: at + 1]
        return None
