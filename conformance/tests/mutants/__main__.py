"""Runs a mutant, or lists them.

python3 mutants NAME      runs it as an adapter (ADAPTER.md)
python3 mutants --list    prints [{"name", "rule", "role", "what", "effect"}, …]
"""

import importlib
import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[0] = str(HERE.parent)
ROOMS = (
    *("address", "listening", "hello", "echo", "frame", "message", "data", "limits"),
    *("closing", "files", "residue", "unix", "timing", "results", "kinds", "pieces", "narrow"),
)


def rooms_of(name: str) -> list[str]:
    """Returns the module that has a mutant, because a start that imports all of them takes longer; or all modules."""
    start_of_class = f"class {''.join(part.capitalize() for part in name.split('-'))}("
    return [room for room in ROOMS if start_of_class in (HERE / f"{room}.py").read_text("utf-8")] or [*ROOMS]


def main() -> None:
    for room in rooms_of(sys.argv[-1]):
        importlib.import_module(f"mutants.{room}")
    from mutants.registry import Mutant

    if sys.argv[1:] == ["--list"]:
        found = [
            {"name": name, "rule": mutant.rule, "role": mutant.role, "what": mutant.__doc__, "effect": mutant.effect}
            for name, mutant in Mutant.registry.items()
            if mutant.rule
        ]
        print(json.dumps(found, indent=1))
    elif len(sys.argv) == 2 and sys.argv[1] in Mutant.registry:
        Mutant.registry[sys.argv[1]]().main()
    else:
        sys.exit("mutants: error: usage: python3 mutants NAME | --list")


if __name__ == "__main__":
    main()
