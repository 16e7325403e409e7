"""Peers that run the same numbered inputs, blocks of them compared by digest, and a difference narrowed to one input.

Standard library alone. What a peer is asked and answers, and the sets: README.md.
"""

from __future__ import annotations

import hashlib
import os
import select
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "spec"))

from errors import read  # noqa: E402

HERE = ROOT / "fuzz/differential"
BUILD = ROOT / "build/fuzz/differential"
OUTCOMES = ["ok", *(error.name for error in read().errors), "not ended"]
CORE = ("errors", "wire", "address", "exchange")
SILENCE = 600  # seconds for one answer
STEP = 0.2  # seconds until an interruption is seen at the latest

Result = TypeVar("Result")

SOURCES = {
    "cpp": [
        *(ROOT / f"impl/cpp/{place}" for name in CORE for place in (f"src/{name}.cpp", f"include/kcom5/{name}.hpp")),
        *(HERE / name for name in ("peer.hpp", "peer.cpp", "generate.cpp")),
    ],
    "python": [*(ROOT / f"impl/python/src/kcom5/{name}.py" for name in CORE), HERE / "peer.py", HERE / "generate.py"],
    "go": [*(ROOT / f"impl/go/core/{name}.go" for name in CORE), HERE / "go/main.go", HERE / "go/generate.go"],
}


class BrokenError(Exception):
    """The tool itself does not work."""


@dataclass
class Difference:
    """One input that does not come out the same."""

    index: int
    words: str
    """The input."""
    verdicts: dict[str, str]


def fingerprint(name: str) -> str:
    """Of a peer and its core: a block that was compared with another core is not done."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES[name])).hexdigest()[:16]


def call(what: str, *command: str | Path, folder: Path = ROOT, **environment: str) -> None:
    """Runs a step of the preparation; its output is shown if it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    except FileNotFoundError:
        raise BrokenError(f"{what} failed: {command[0]} is not installed") from None
    if done.returncode != 0:
        raise BrokenError(f"{what} failed:\n" + "\n".join(done.stdout.splitlines()[-30:]))


def results(futures: Iterable[Future[Result]]) -> list[Result]:
    """What each gives, when all have ended; raises as soon as one has failed.

    It waits in steps: Ctrl-C may come to a thread of the pool, and the main one sees it only when it wakes.
    """
    futures = list(futures)
    waiting = set(futures)
    while waiting:
        done, waiting = wait(waiting, STEP, FIRST_EXCEPTION)
        for future in done:
            future.result()
    return [future.result() for future in futures]


def built(name: str) -> list[str]:
    """The command of one of our own peers, built if its sources are new."""
    if name == "python":
        return [sys.executable, str(HERE / "peer.py")]
    program = BUILD / f"peer-{name}-{fingerprint(name)}"
    if not program.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        scratch = program.with_suffix(f".{os.getpid()}")
        if name == "go":
            call("the build of the Go peer", "go", "build", "-o", scratch, ".", folder=HERE / "go")
        else:
            compiler = os.environ.get("CXX") or next(
                (found for found in ("c++", "g++", "clang++", "clang++-19") if shutil.which(found)), "c++"
            )
            sources = [path for path in SOURCES["cpp"] if path.suffix == ".cpp"]
            flags = ["-std=c++20", "-O2", "-Wall", "-Wextra", "-I", str(ROOT / "impl/cpp/include")]
            call("the build of the C++ peer", compiler, *flags, *sources, "-o", scratch)
        scratch.rename(program)
    return [str(program)]


class Peer:
    """A peer program; started when it is asked, and again when it has died."""

    def __init__(self, name: str, command: Sequence[str], bases: Path | None = None) -> None:
        self.name = name
        self._command = list(command)
        self._bases = bases
        self._process: subprocess.Popen[bytes] | None = None
        self._is_closed = False

    def ask(self, question: str) -> str:
        """The answer; that it died or was silent is one, too."""
        if self._process is None:
            if self._is_closed:
                return "closed"
            # In a group of its own, so that Ctrl-C does not look like its death.
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            if self._bases:
                self._exchange(f"load {self._bases}")
        return self._exchange(question)

    def _exchange(self, question: str) -> str:
        process = self._process
        if process is None:
            return "died when it read the bases"
        assert process.stdin
        answer = b""
        with suppress(BrokenPipeError):
            process.stdin.write(question.encode() + b"\n")
            process.stdin.flush()
            answer = self._line(process)
        if answer:
            return answer.decode().rstrip("\n")
        _, said = process.communicate()
        self._process = None
        last = said.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        reason = next((line for line in last if line.startswith(("panic: ", "peer: "))), last[-1])
        return f"died with {process.returncode}: {reason}"

    def _line(self, process: subprocess.Popen[bytes]) -> bytes:
        """What it says next; nothing at its end, or if it is silent for too long."""
        assert process.stdout
        octets, until = b"", time.monotonic() + SILENCE
        while not octets.endswith(b"\n"):
            if not select.select([process.stdout], [], [], max(0, until - time.monotonic()))[0]:
                process.kill()
            piece = os.read(process.stdout.fileno(), 1 << 16)
            if not piece:
                return b""
            octets += piece
        return octets

    def close(self) -> None:
        self._is_closed = True
        if self._process:
            self._process.kill()


class Team:
    """Peers that must agree."""

    def __init__(self, commands: dict[str, list[str]], bases: Path | None = None) -> None:
        self.peers = [Peer(name, command, bases) for name, command in commands.items()]

    def digests(self, name: str, seed: int, first: int, count: int) -> dict[str, str]:
        return {peer.name: peer.ask(f"digest {name} {seed} {first} {count}") for peer in self.peers}

    def show(self, name: str, seed: int, index: int) -> Difference:
        """The input and what each makes of it."""
        answers = {peer.name: peer.ask(f"show {name} {seed} {index}") for peer in self.peers}
        parts = {peer: answer.rpartition(" => ") for peer, answer in answers.items()}
        inputs = {words for words, _, _ in parts.values() if words}
        if len(inputs) > 1:
            raise BrokenError(f"input {index} is not the same to all:\n" + "\n".join(sorted(inputs)))
        words = next(iter(inputs), "?")
        return Difference(index, words, {peer: verdict_of(words, part[2]) for peer, part in parts.items()})

    def narrow(self, name: str, seed: int, first: int, count: int) -> Difference:
        """One input of a block whose digests differ."""
        if len(set(self.digests(name, seed, first, count).values())) == 1:
            last = first + count - 1
            raise BrokenError(f"inputs {first} to {last} differed once and not again: was a peer stopped from outside?")
        while count > 1:
            half = count // 2
            if len(set(self.digests(name, seed, first, half).values())) > 1:
                count = half
            else:
                first, count = first + half, count - half
        difference = self.show(name, seed, first)
        if len(set(difference.verdicts.values())) == 1:
            raise BrokenError(f"the digests of input {first} differ, its verdicts do not: {difference.verdicts}")
        return difference

    def close(self) -> None:
        for peer in self.peers:
            peer.close()


def verdict_of(words: str, answer: str) -> str:
    """`ok 00…` with the offset read out of the record."""
    name, _, record = answer.rpartition(" ")
    if not words.startswith(("client", "server")) or answer.startswith("died"):
        return answer
    octets = bytes.fromhex(record)
    if len(octets) < 6:
        return name
    return f"{name} at {int.from_bytes(octets[2:6], 'little')}, record {record}"


def report(difference: Difference, again: str) -> str:
    lines = [f"input {difference.index} does not come out the same", f"  {'input':<8} {difference.words}"]
    lines += [f"  {name:<8} {verdict}" for name, verdict in difference.verdicts.items()]
    return "\n".join([*lines, f"  again:   {again}"])


def counts_of(digest: str) -> list[int]:
    return [int(word) for word in digest.split()[1:]]


def add_counts(totals: list[int], digest: str) -> None:
    for place, number in enumerate(counts_of(digest)):
        totals[place] += number


def histogram(totals: Iterable[int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in zip(OUTCOMES, totals, strict=True) if number)


def command_of(text: str) -> tuple[str, list[str]]:
    """NAME=COMMAND."""
    name, found, command = text.partition("=")
    if not found or not name or not shlex.split(command):
        raise ValueError("a peer is NAME=COMMAND")
    return name, shlex.split(command)
