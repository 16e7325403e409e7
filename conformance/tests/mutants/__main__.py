"""Runs a mutant, or lists them.

python3 mutants NAME      runs it as an adapter (ADAPTER.md)
python3 mutants --list    prints [{"name", "rule", "role", "what", "effect"}, …]
"""

import importlib
import json
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)
ROOMS = (
    *("address", "listening", "hello", "echo", "frame", "message", "data", "limits"),
    *("closing", "files", "residue", "unix", "timing", "results", "kinds", "pieces", "narrow"),
)


def main() -> None:
    for room in ROOMS:
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
