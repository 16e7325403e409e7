"""Runs blocks of inputs through peers, and narrows a difference to one input.

It needs only the standard library. What a peer reads and answers: README.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "spec"))

from errors import read  # noqa: E402
from inputs import block_of, inputs_of, sized, words_of  # noqa: E402

HERE = ROOT / "fuzz/differential"
BUILD = ROOT / "build/fuzz/differential"
OUTCOMES = ["ok", *(error.name for error in read().errors), "not ended"]
CORE = ("errors", "wire", "address", "exchange")
CORPUS = {"address": "address", "client": "client", "server": "server", "pair": "client", "roundtrip": "client"}
"""The corpus of each fuzz target."""
SILENCE = 600  # timeout in seconds for one answer
STEP = 0.2  # seconds between two checks of a silent program

PEER = HERE / "peer.cpp"
HARNESS = [PEER, ROOT / "fuzz/include/kcom5_fuzz.h"]
CPP_CORE = [ROOT / f"impl/cpp/src/{name}.cpp" for name in CORE]
CPP_USER = ROOT / "fuzz/users/cpp.cpp"
GO_USER = ROOT / "fuzz/users/go"
SOURCES = {
    "cpp": [*CPP_CORE, *(ROOT / f"impl/cpp/include/kcom5/{name}.hpp" for name in CORE), CPP_USER, *HARNESS],
    "python": [*(ROOT / f"impl/python/src/kcom5/{name}.py" for name in CORE), HERE / "peer.py", HERE / "inputs.py"],
    "go": [*(ROOT / f"impl/go/core/{name}.go" for name in CORE), GO_USER / "main.go", GO_USER / "shim.c", *HARNESS],
    "generator": [HERE / "generate.cpp"],
}
PEERS = ("cpp", "python", "go")


class BrokenError(Exception):
    """The tool itself does not work."""


@dataclass
class Difference:
    """One input on which the peers differ."""

    index: int
    given: bytes
    """The input."""
    verdicts: dict[str, str]


def fingerprint(name: str) -> str:
    """Identifies a program and its core. A block that was run with another core is run again."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in SOURCES[name])).hexdigest()[:16]


def call(what: str, *command: str | Path, folder: Path = ROOT, **environment: str) -> None:
    """Runs a command, and raises BrokenError with its output if it fails."""
    env = os.environ | environment
    try:
        done = subprocess.run(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except (FileNotFoundError, PermissionError):  # this user may have no access to a folder of PATH
        raise BrokenError(f"{what} failed: {command[0]} is not installed") from None
    if done.returncode != 0:
        raise BrokenError(f"{what} failed:\n" + "\n".join(done.stdout.splitlines()[-30:]))


def clang(oldest: int) -> str:
    names = [os.environ.get("CXX", ""), *(f"clang++-{version}" for version in range(25, oldest - 1, -1)), "clang++"]
    found = next((name for name in names if "clang" in name and shutil.which(name)), None)
    if not found:
        raise BrokenError(
            f"there is no clang++ of version {oldest} or newer: install clang and its runtime, or set CXX"
        )
    return found


def build_cpp(program: Path, *words: str | Path, compiler: str = "") -> None:
    """Compiles sources into a program, or with -c into an object file."""
    found = (name for name in ("c++", "g++", "clang++", "clang++-19") if shutil.which(name))
    compiler = compiler or os.environ.get("CXX") or next(found, "c++")
    where = [f"-I{ROOT}/fuzz/include", f"-I{ROOT}/impl/cpp/include"]
    call(
        f"the build of {program.name}", compiler, "-std=c++20", "-O2", "-Wall", "-Wextra", *where, *words, "-o", program
    )


def build_go(program: Path, peer: Path, replaced: dict[str, str]) -> None:
    """Links the Go core, with other files in place of some, to the source or the object file of the peer."""
    archive, overlay = program.with_suffix(".a"), program.with_suffix(".json")
    overlay.write_text(json.dumps({"Replace": replaced}))
    words = ["-buildmode=c-archive", "-trimpath", "-overlay", f"{overlay}", "-ldflags=-s -w", "-o", f"{archive}", "."]
    call("the build of the Go core", "go", "build", *words, folder=GO_USER)
    build_cpp(program, peer, archive, "-pthread")


def built(name: str) -> list[str]:
    """Returns the command of one of our own programs, and builds it if its sources have changed."""
    if name == "python":
        return [sys.executable, str(HERE / "peer.py")]
    program = BUILD / f"{name}-{fingerprint(name)}"
    if not program.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
            made = Path(scratch) / name
            if name == "go":
                build_go(made, PEER, {})
            else:
                build_cpp(made, *(path for path in SOURCES[name] if path.suffix == ".cpp"))
            made.rename(program)
    return [str(program)]


class Program:
    """A peer or the generator. It is started at the first question, and again after its death."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._until = math.inf

    def send(self, *question: bytes) -> None:
        """Sends a question. Returns when the program has read it, or has died."""
        if self._process is None:
            # It gets its own process group, so that Ctrl-C does not look like its death.
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                self._command, stdin=pipe, stdout=pipe, stderr=pipe, start_new_session=True
            )
            threading.Thread(target=self._watch, args=[self._process], daemon=True).start()
        assert self._process.stdin
        self._until = time.monotonic() + SILENCE
        with suppress(BrokenPipeError):
            self._process.stdin.writelines(question)
            self._process.stdin.flush()

    def receive(self) -> bytes | str:
        """Returns the answer, or a text if the program died or was silent."""
        process = self._process
        assert process
        assert process.stdout
        head = process.stdout.read(4)
        size = int.from_bytes(head, "little")
        answer = process.stdout.read(size)
        if len(head) == 4 and len(answer) == size:
            self._until = math.inf
            return answer
        _, said = process.communicate()
        self._process = None
        last = said.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        reason = next((line for line in last if line.startswith(("panic: ", "peer: "))), last[-1])
        return f"died with {process.returncode}: {reason}"

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """Kills a program that is silent for too long."""
        while process.poll() is None:
            if time.monotonic() > self._until:
                process.kill()
            time.sleep(STEP)

    def close(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()


class Generator(Program):
    """Makes the random inputs of a seed."""

    def __init__(self, seed: int) -> None:
        super().__init__("generator", [*built("generator"), str(seed)])

    def block(self, first: int, count: int) -> bytes:
        self.send(f"{first} {count}\n".encode())
        block = self.receive()
        if isinstance(block, str):
            raise BrokenError(f"the generator: {block}")
        return block


class Team:
    """Peers that must agree."""

    def __init__(self, commands: dict[str, list[str]]) -> None:
        self.peers = [Program(name, command) for name, command in commands.items()]

    def send(self, block: bytes) -> None:
        """Sends a block to all peers, which work in parallel."""
        for peer in self.peers:
            peer.send(len(block).to_bytes(4, "little"), block)

    def agreed(self) -> bytes | None:
        """Returns the answer of all peers to the block, or None if they differ."""
        first, *others = [peer.receive() for peer in self.peers]
        return first if isinstance(first, bytes) and all(other == first for other in others) else None

    def run(self, block: bytes) -> bytes | None:
        """Sends a block, and returns the common answer, or None."""
        self.send(block)
        return self.agreed()

    def narrow(self, first: int, block: bytes) -> Difference:
        """Finds one input of a block on which the peers differ. The first input of the block has the number `first`."""
        inputs = inputs_of(block)
        if self.run(block) is not None:
            last = first + len(inputs) - 1
            raise BrokenError(f"inputs {first} to {last} differed once and not again: was a peer stopped from outside?")
        while len(inputs) > 1:
            half = len(inputs) // 2
            if self.run(block_of(inputs[:half])) is None:
                inputs = inputs[:half]
            else:
                first, inputs = first + half, inputs[half:]
        difference = self.show(first, inputs[0])
        if len(set(difference.verdicts.values())) == 1:
            raise BrokenError(f"input {first} differs among others only: {words_of(inputs[0])}")
        return difference

    def show(self, index: int, given: bytes) -> Difference:
        """Returns an input with the answer of each peer."""
        self.send(sized(given))
        return Difference(index, given, {peer.name: verdict_of(given, peer.receive()) for peer in self.peers})

    def close(self) -> None:
        for peer in self.peers:
            peer.close()


def verdict_of(given: bytes, answer: bytes | str) -> str:
    """Returns the answer in words, such as `ok at 24, details 0118…`."""
    if isinstance(answer, str):
        return answer
    name, details = OUTCOMES[answer[4]], answer[9:]
    if given[:1] not in (b"c", b"s") or not details:
        return f"{name} {details.hex()}".rstrip()
    return f"{name} at {int.from_bytes(details[1:5], 'little')}, details {details.hex()}"


def lines_of(difference: Difference) -> list[str]:
    return [words_of(difference.given), *(f"  {name:<8} {said}" for name, said in difference.verdicts.items())]


def report(difference: Difference, more: str = "") -> str:
    """Returns the difference, and the command that shows it again."""
    lines = [f"input {difference.index} does not come out the same", *lines_of(difference)]
    return "\n".join([*lines, f"  again:   fuzz/differential/run --input {difference.given.hex()}{more}"])


def counts_of(answer: bytes) -> list[int]:
    """Counts the inputs with each outcome."""
    end = 4 + int.from_bytes(answer[:4], "little")
    return [answer.count(place, 4, end) for place in range(len(OUTCOMES))]


def histogram(totals: Iterable[int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in zip(OUTCOMES, totals, strict=True) if number)


def count_of(text: str) -> int:
    number = int(float(text)) if text.replace(".", "").replace("e", "").isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError("a count is 1 or more, such as 1000000 or 1e8")
    return number


def peer_of(text: str) -> tuple[str, list[str]]:
    name, found, command = text.partition("=")
    if not found or not name or not shlex.split(command):
        raise argparse.ArgumentTypeError("a peer is NAME=COMMAND")
    return name, shlex.split(command)


def run_command(name: str, kept: str, work: Callable[[], int]) -> int:
    """Runs a command. Returns the exit code of its work, of a broken tool, or of an interruption."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        return work()
    except BrokenError as error:
        print(f"{name}: error: {error}", file=sys.stderr)
        return 4
    except KeyboardInterrupt:
        print(f"{name}: interrupted{kept}", file=sys.stderr)
        return 130
