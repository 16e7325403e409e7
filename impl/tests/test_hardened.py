"""Checks with readelf that the programs of a release build are hardened."""

from __future__ import annotations

import platform
import shutil
import subprocess

import pytest

from peers import ROOT

CPP = [ROOT / "build/release/impl/cpp/kcom5", ROOT / "build/release/impl/cpp/kcom5-adapter"]
GO = [ROOT / "build/go/kcom5", ROOT / "build/go/adapter"]

pytestmark = pytest.mark.skipif(
    platform.system() != "Linux" or not shutil.which("readelf"), reason="NOT RUN: there is no readelf here"
)


def readelf(*words: object) -> str:
    return subprocess.run(["readelf", "--wide", *map(str, words)], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("path", [*CPP, *GO], ids=lambda path: f"{path.parent.name}-{path.name}")
def test_program_is_put_at_any_address_and_has_no_executable_stack(path: object) -> None:
    assert "DYN (" in readelf("--file-header", path)
    stack = next((line.split() for line in readelf("--program-headers", path).splitlines() if "GNU_STACK" in line), [])
    assert "RWE" not in stack


@pytest.mark.parametrize("path", CPP, ids=lambda path: path.name)
def test_cpp_program_has_full_relro_stack_protector_fortified_calls_and_assertions(path: object) -> None:
    assert "GNU_RELRO" in readelf("--program-headers", path)
    dynamic = readelf("--dynamic", path)
    assert all(flag in dynamic for flag in ("NOW", "PIE"))
    symbols = readelf("--dyn-syms", path)
    assert "__stack_chk_fail" in symbols
    assert "_chk@" in symbols.replace("__stack_chk_fail", "")
    assert "__glibcxx_assert_fail" in symbols


def test_go_programs_hold_no_path_of_this_machine() -> None:
    for path in GO:
        assert str(ROOT).encode() not in path.read_bytes()
