"""Tests of the mutants that are made from a source."""

from __future__ import annotations

from pathlib import Path

import mutate

ROOT = Path(__file__).resolve().parent.parent.parent


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


def test_python_operators_constants_conditions_and_statements() -> None:
    text = 'def f(a):\n    """Not 3."""\n    if not a < 3:\n        b = a + 1  # or 2\n        raise V(f"{a + 1}")\n'
    assert changes("python", text) == {
        "if a < 3:",
        "if not a <= 3:",
        "if not a >= 3:",
        "if not a < 4:",
        "if not a < 2:",
        "if not (not a < 3):",
        "b = a - 1  # or 2",
        "b = a + 2  # or 2",
        "b = a + 0  # or 2",
        "pass",
    }
    assert changes("python", 'x = b"ab" if y is None else z\n') >= {
        'x = b"a" if y is None else z',
        'x = b"ab" if y is not None else z',
        'x = b"ab" if not (y is None) else z',
    }


def test_python_tables_and_checks_of_wrong_calls_stay() -> None:
    assert changes("python", 'EVENTS = {\n    "a": 1 + 2,\n}\n    if a < 3:\n        raise ValueError("b")\n') == set()


def test_every_mutant_is_another_source() -> None:
    for language, name in (
        ("cpp", "impl/cpp/src/wire.cpp"),
        ("go", "impl/go/core/address.go"),
        ("python", "impl/python/src/kcom5/exchange.py"),
    ):
        text = (ROOT / name).read_text()
        mutants = list(mutate.mutants_of(language, name, text))
        assert len(mutants) > 50
        assert len({mutant.text for mutant in mutants} | {text}) == len(mutants) + 1
