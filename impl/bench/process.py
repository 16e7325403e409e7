"""Processes of the benchmark, and what it says meanwhile. Each that is started is ended, however the run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from ways import BUILD, HERE, ROOT

CONFIGURATION = ("-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release")


class BrokenError(Exception):
    """Something does not work, and what it said."""


class NotRunError(Exception):
    """It cannot run here, and why."""


running: set[subprocess.Popen[str]] = set()
is_terminal = sys.stderr.isatty()


def progress(text: str) -> None:
    if is_terminal:
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def say(text: str) -> None:
    if is_terminal:
        print("\r\x1b[K", end="", file=sys.stderr)
    print(text, file=sys.stderr, flush=True)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "impl/python/src")}


def start(words: tuple[str, ...] | list[str]) -> subprocess.Popen[str]:
    """A process in a group of its own, so that nothing of it is left when the run ends early."""
    process = subprocess.Popen(
        list(words),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
    )
    running.add(process)
    return process


def end(process: subprocess.Popen[str]) -> None:
    if process in running:
        running.discard(process)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def finish(process: subprocess.Popen[str], seconds: float = 300) -> str:
    """What it printed. Raises BrokenError if it failed or did not end."""
    name = " ".join(map(str, process.args if isinstance(process.args, list) else []))
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        end(process)
        raise BrokenError(f"did not end within {seconds:.0f} s: {name}") from None
    running.discard(process)
    if process.returncode:
        raise BrokenError(f"exit code {process.returncode}: {name}\n{err.strip() or out.strip()}")
    return out


def built(*words: str, where: Path = ROOT) -> None:
    progress(f"building: {' '.join(words)[:70]}")
    try:
        done = subprocess.run(words, cwd=where, capture_output=True, text=True, check=False)
    except (FileNotFoundError, PermissionError) as error:
        raise BrokenError(f"{words[0]} is not installed") from error
    if done.returncode:
        raise BrokenError(f"{' '.join(words)}\n{(done.stdout + done.stderr).strip()[-3000:]}")


def build(groups: set[str]) -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    codec = f"-DKCOM5_BENCH_CODEC={'ON' if 'codec' in groups else 'OFF'}"
    built("cmake", "-S", str(HERE), "-B", str(BUILD / "cmake"), *CONFIGURATION, codec)
    built("cmake", "--build", str(BUILD / "cmake"), "--parallel", str(os.cpu_count() or 1))
    go = ("go", "build", "-buildmode=pie", "-trimpath", "-o")  # as the program is built for use
    built(*go, str(BUILD / "bench_go"), ".", where=HERE / "go")
    built(*go, f"{BUILD}/", "./cmd/kcom5", where=ROOT / "impl/go")
