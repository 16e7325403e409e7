"""The mutator makes the mutants that it says, and no others."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("kcom5_mutate", HERE / "mutate.py")
assert spec
assert spec.loader
mutate = importlib.util.module_from_spec(spec)
sys.modules["kcom5_mutate"] = mutate
spec.loader.exec_module(mutate)


def changes(language: str, text: str) -> set[str]:
    return {mutant.after for mutant in mutate.mutants_of(language, "file", text)}


def test_cpp_operators_constants_conditions_and_statements() -> None:
    assert changes("cpp", "  if (a < 3) return b;\n") == {
        "if (a <= 3) return b;",
        "if (a >= 3) return b;",
        "if (a < 4) return b;",
        "if (a < 2) return b;",
        "if (!(a < 3)) return b;",
        ";",
    }
    assert changes("cpp", "  have_ = 0;  // 7 octets\n") == {";", "have_ = 1;  // 7 octets"}


def test_cpp_declarations_templates_and_tables_stay() -> None:
    assert (
        changes("cpp", "std::vector<int> a;\n#define A 1\nconstexpr Transition<S> rows[] = {\n  {a, 1 + 2},\n};\n")
        == set()
    )


def test_go_operators_close_to_their_operands_and_conditions() -> None:
    assert changes("go", "\tif at := a; at > 0 && b[1]<<4|c != 2 {\n") >= {
        "if at := a; !(at > 0 && b[1]<<4|c != 2) {",
        "if at := a; at > 0 || b[1]<<4|c != 2 {",
        "if at := a; at > 0 && b[1]>>4|c != 2 {",
        "if at := a; at > 0 && b[1]<<4&c != 2 {",
        "if at := a; at > 0 && b[1]<<4|c == 2 {",
    }
    assert changes("go", '\treturn &Error{Name: ErrInvalidKey, Detail: "1 or 2"}\n') == set()
    assert "" in changes("go", "\tx.consumed += size\n")


def test_python_by_its_syntax_tree() -> None:
    text = "def f(a):\n    if not a < 3:\n        b = a + 1\n        raise V(f'{a + 1}')\n    return 1\n"
    assert changes("python", text) == {
        "if not not a < 3:",
        "if a < 3:",
        "if not a <= 3:",
        "if not a >= 3:",
        "if not a < 4:",
        "if not a < 2:",
        "",
        "b = a - 1",
        "b = a + 2",
        "b = a + 0",
        "return 2",
        "return 0",
    }


def test_every_mutant_is_another_source() -> None:
    root = HERE.parent.parent
    for language, name in (
        ("cpp", "impl/cpp/src/wire.cpp"),
        ("go", "impl/go/core/address.go"),
        ("python", "impl/python/src/kcom5/exchange.py"),
    ):
        text = (root / name).read_text()
        mutants = list(mutate.mutants_of(language, name, text))
        assert len(mutants) > 50
        assert len({mutant.text for mutant in mutants} | {text}) == len(mutants) + 1
