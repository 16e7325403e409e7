"""Adapter templates. Each passes the smoke stage unchanged, and has three functions to replace.

A template has no dependencies except its language. `TEMPLATES` lists the files and the build and start commands.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from .. import program
from ..errors import UsageError

_FOLDER = Path(__file__).parent
PEER = "mine"
"""The name of the implementation in the peers.toml that `create` writes."""


@dataclass(frozen=True)
class Template:
    """The adapter of one language."""

    source: str
    """The file's name."""
    build: tuple[str, ...]
    """The command that builds it; empty if there is nothing to build."""
    command: tuple[str, ...]
    """The command that starts it."""


TEMPLATES = {
    "python": Template("adapter.py", (), ("python3", "adapter.py")),
    "go": Template("adapter.go", ("go", "build", "-o", "adapter", "adapter.go"), ("./adapter",)),
    "cpp": Template("adapter.cpp", ("c++", "-std=c++17", "-O2", "-o", "adapter", "adapter.cpp"), ("./adapter",)),
    "node": Template("adapter.mjs", (), ("node", "adapter.mjs")),
    "rust": Template("adapter.rs", ("rustc", "--edition", "2021", "-O", "-o", "adapter", "adapter.rs"), ("./adapter",)),
    "java": Template(
        "Adapter.java", ("javac", "-d", ".", "Adapter.java"), ("java", "-XX:TieredStopAtLevel=1", "Adapter")
    ),
    "c": Template("adapter.c", ("cc", "-std=c11", "-O2", "-o", "adapter", "adapter.c"), ("./adapter",)),
}


def create(language: str, folder: Path) -> list[Path]:
    """Writes the adapter of `language` and `peers.toml` into `folder`, which is created if needed. Returns the two
    paths. Does not overwrite files: if one of them exists, neither is written."""
    if language not in TEMPLATES:
        raise UsageError(f"got the language {language!r}, expected one of {', '.join(TEMPLATES)}")
    template = TEMPLATES[language]
    adapter, peers = folder / template.source, folder / "peers.toml"
    for path in (adapter, peers):
        if path.exists() or path.is_symlink():
            raise UsageError(f"{path} is there already, and nothing was written", "choose an empty folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in (
            (adapter, (_FOLDER / language / template.source).read_text(encoding="utf-8")),
            (peers, _peers_file(template)),
        ):
            with path.open("x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror}", "choose another folder") from error
    return [adapter, peers]


def next_steps(language: str, folder: Path) -> str:
    """Returns the next steps after `create`, one command or sentence per line."""
    template = TEMPLATES[language]
    steps = [] if folder.resolve() == Path.cwd() else [f"cd {shlex.quote(str(folder))}"]
    run = f"{program.command_after_cd() if steps else program.command()} run --peers peers.toml"
    steps += [" ".join(template.build)] if template.build else []
    return "\n".join(
        [
            *steps,
            f"{run} --rule echo.exact {PEER}",
            f"{run} {PEER}",
            "The first run tries one small rule, the second tries all. Failures are expected: the implementation in",
            f"{template.source} is naive. Replace the three functions at its top by calls of yours.",
        ]
    )


def _peers_file(template: Template) -> str:
    build = f"# Build it first: {' '.join(template.build)}\n" if template.build else ""
    command = ", ".join(f'"{word}"' for word in template.command)
    return (
        "# The implementations to test, and how their adapters are started from this folder.\n"
        f"{build}[{PEER}]\ncommand = [{command}]\n"
    )
