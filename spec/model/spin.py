"""Build the verifier with Spin and a C compiler, run it, and read what it prints."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from configs import Config
from names import PROPERTIES
from promela import header
from tables import Table

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "build" / "model"
SOURCES = ("kcom5.pml", "claims.h", "world.h")
MAX_CONFIGS = 400  # as in claims.h
# Breadth first finds the shortest counter-example; the other finds what goes on for ever, and tells a counter-example.
SHORTEST = ("-DBFS", "-DSAFETY", "-DNOREDUCE", "-DVECTORSZ=64")
FOR_EVER = ("-DNOREDUCE", "-DVECTORSZ=64")


class CannotRun(Exception):
    """There is no Spin, or no C compiler, or it failed."""


@dataclass
class Result:
    """What one run of the verifier found."""

    states: int
    violated: str = ""
    hits: set[tuple[str, str, str]] = field(default_factory=set)  # role, state, event
    pairs: set[tuple[int, int, int, int]] = field(default_factory=set)  # client, server, and how each ended
    trail: Path | None = None


def why_not() -> str:
    """Why the model cannot be run here, or ""."""
    if shutil.which("spin") is None:
        return "there is no spin (Debian, Ubuntu, Homebrew: the package `spin`)"
    return "" if compiler() else "there is no C compiler, which Spin needs"


def compiler() -> str:
    return next((name for name in (os.environ.get("CC", ""), "cc", "gcc", "clang") if name and shutil.which(name)), "")


def command(arguments: list[str], folder: Path) -> None:
    result = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
    if result.returncode:
        raise CannotRun(f"{arguments[0]} failed:\n{result.stdout}{result.stderr}")


def build(tables: dict[str, Table], folder: Path = BUILD) -> Path:
    """Make the two verifiers, `shortest` and `for-ever`, unless they are there for these very sources."""
    if reason := why_not():
        raise CannotRun(reason)
    folder.mkdir(parents=True, exist_ok=True)
    texts = {name: (HERE / name).read_text(encoding="utf-8") for name in SOURCES}
    texts["tables.h"] = header(tables)
    made_of = folder / "made-of"
    key = "\n".join(texts.values())
    if made_of.exists() and made_of.read_text(encoding="utf-8") == key:
        return folder
    made_of.unlink(missing_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    command(["spin", "-a", "kcom5.pml"], folder)
    for name, options in (("shortest", SHORTEST), ("for-ever", FOR_EVER)):
        command([compiler(), "-O1", "-w", *options, "-o", name, "pan.c"], folder)
    made_of.write_text(key, encoding="utf-8")
    return folder


def environment(configs: Iterable[Config], edits: str, without: str) -> dict[str, str]:
    """What the verifier is told: configurations, edited cells, and a property that is passed over."""
    listed = "".join(config.text() for config in configs)
    number = list(PROPERTIES).index(without) + 1 if without else 0
    return {**os.environ, "KCOM5_CONFIGS": listed, "KCOM5_EDITS": edits, "KCOM5_UNCLAIMED": str(number)}


def run(folder: Path, configs: Iterable[Config], edits: str = "", for_ever: bool = False, without: str = "") -> Result:
    """Explore the configurations with edited cells; stop at the first violation."""
    listed = list(configs)
    assert len(listed) <= MAX_CONFIGS
    trail = folder / "kcom5.pml.trail"
    trail.unlink(missing_ok=True)
    arguments = ["./for-ever", "-a", "-m2000000", "-w22"] if for_ever else ["./shortest", "-w22"]
    result = subprocess.run(
        ["nice", "-n", "5", *arguments],
        cwd=folder,
        env=environment(listed, edits, without),
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"^ *(\d+) states, stored", result.stdout, re.M)
    errors = re.search(r"errors: (\d+)", result.stdout)
    if not found or not errors or "max search depth too small" in result.stdout:
        raise CannotRun(f"the verifier failed ({result.returncode}):\n{result.stdout[-2000:]}{result.stderr}")
    answer = Result(int(found[1]))
    if int(errors[1]):
        named = re.search(r"^@violated (\w+)", result.stdout, re.M)
        answer.violated = named[1] if named else "TICKS"
        answer.trail = trail
    for role, state, event in re.findall(r"^@hit (\d) (\S+) (\S+)", result.stdout, re.M):
        answer.hits.add(("client" if role == "1" else "server", state, event))
    for numbers in re.findall(r"^@pair (\d+) (\d+) (\d+) (\d+)", result.stdout, re.M):
        client, server, first, second = map(int, numbers)
        answer.pairs.add((client, server, first, second))
    return answer


def shortest(folder: Path, configs: list[Config], edits: str = "", without: str = "") -> tuple[Result, list[Config]]:
    """What is violated, and a configuration in which it is; the trail is its shortest one (not that of TICKS)."""
    result = run(folder, configs, edits, for_ever=True, without=without)
    if not result.violated:
        return result, configs
    chosen = [int(words[1]) for words in tell(folder, configs, edits, without) if words[0] == "config"]
    configs = configs[chosen[0] : chosen[0] + 1]
    return run(folder, configs, edits, result.violated == "TICKS", without), configs


def tell(folder: Path, configs: Iterable[Config], edits: str = "", without: str = "") -> list[list[str]]:
    """The steps of the counter-example that the last run found, as words."""
    told = {**environment(configs, edits, without), "KCOM5_TELL": "1"}
    result = subprocess.run(["./for-ever", "-r"], cwd=folder, env=told, capture_output=True, text=True, check=False)
    kinds = ("@step", "@event", "@wire", "@config")
    return [line[1:].split() for line in result.stdout.splitlines() if line.startswith(kinds)]
