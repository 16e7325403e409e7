"""An arrow never points up: what each module may import."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from vectors import ROOT

PACKAGE = ROOT / "impl/python/src/kcom5"
MAY_USE = {
    # layers 1 and 2, the core
    "errors": "",
    "address": "errors",
    "wire": "errors",
    "exchange": "errors wire",
    # layer 3
    "deadline": "",
    "system": "errors",
    "stream": "errors exchange system",
    "source": "deadline errors stream system",
    "output": "deadline errors stream system",
    "sink": "deadline errors output stream system",
    "socket_file": "deadline errors stream system",
    "sending": "deadline exchange source stream wire",
    "server": "address deadline errors exchange sending socket_file source stream system wire",
    "receiving": "deadline exchange sink stream",
    "client": "address deadline errors exchange receiving sink stream system wire",
    "aio": "client server stream system",
    "compat": "client server system",
    "_start": "",
    "__init__": "__init__ address client compat errors exchange server",
    # layer 4
    "options": "",
    "signals": "stream",
    "words": "errors system",
    "keys": "address errors stream system words",
    "cli": "__init__ address compat keys options signals sink source system wire words",
    "__main__": "cli",
}
CORE = ("errors", "address", "wire", "exchange")
LANGUAGE = {"__future__", "collections", "dataclasses", "re", "typing"}
CLOCKS = {
    "time": "deadline stream words",
    "socket": "client receiving server sink socket_file source stream system",
}


def imports(module: str) -> tuple[set[str], set[str]]:
    """The modules of the package, and of the language, that a module imports."""
    own, others = set(), set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            own.add(node.module or "__init__")
        elif isinstance(node, ast.ImportFrom):
            others.add(str(node.module).partition(".")[0])
        elif isinstance(node, ast.Import):
            others |= {alias.name.partition(".")[0] for alias in node.names}
    return own, others


def test_every_module_has_its_place_and_the_core_is_small() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == MAY_USE.keys()
    assert sum(len((PACKAGE / f"{module}.py").read_text("utf-8").splitlines()) for module in CORE) < 600


@pytest.mark.parametrize("module", MAY_USE)
def test_a_module_uses_only_what_is_below_it(module: str) -> None:
    own, others = imports(module)
    assert own <= set(MAY_USE[module].split())
    assert others <= (LANGUAGE if module in CORE else sys.stdlib_module_names)
    for name, users in CLOCKS.items():
        assert name not in others or module in users.split()


def test_the_package_does_not_load_what_only_some_need() -> None:
    some = {"asyncio", "argparse", "inspect", "json", "tempfile", "kcom5.cli", "kcom5.aio"}
    command = [sys.executable, "-c", f"import sys, kcom5; print({some} & sys.modules.keys())"]
    result = subprocess.run(command, env={"PYTHONPATH": str(PACKAGE.parent)}, capture_output=True)
    assert result.stdout == b"set()\n"
