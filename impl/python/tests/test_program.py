"""The parts of the program that the tests of all three programs do not reach."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ends import T
from vectors import ROOT

import kcom5
from kcom5.keys import read_key
from kcom5.options import COMMANDS, UsageError, help_of, parse
from kcom5.words import Words, escaped, hint_of

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "impl/python/src")}


@pytest.mark.parametrize("tenths", range(12))
def test_an_interruption_while_it_starts_ends_it_without_a_traceback_of_ours(tenths: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "kcom5", "receive", "--ipv4", "--wait", "30"],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    # From the moment on that this module is loaded, which is the first one.
    assert any("kcom5._start" in line for line in process.stderr)
    time.sleep(tenths / 100)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=T)
    assert "Traceback" not in said
    assert process.returncode in (-signal.SIGINT, 130)


def test_a_program_that_holds_a_key_cannot_be_dumped() -> None:
    if sys.platform != "linux":
        pytest.skip("NOT RUN: this is of Linux")
    code = "import ctypes; from kcom5.keys import hide; hide(); print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    assert subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True).stdout == b"0\n"


@pytest.mark.parametrize("value", ["x", "-x", "-"])
def test_the_output_may_be_joined_in_any_way(value: str) -> None:
    for words in (f"-o{value}", f"-o={value}", f"--output={value}"):
        assert parse(["receive", words]).output == value


def test_what_may_be_a_secret_is_never_repeated() -> None:
    for line in ("--deadbeef", "send --deadbeef", "send --13600.de.ad", "send ----deadbeef"):
        with pytest.raises(UsageError) as caught:
            parse(line.split())
        assert "de" not in str(caught.value)
    with pytest.raises(kcom5.Io, match="there is no such file; an address or a key is not given"):
        read_key(Words(frozenset()), "env:deadbeef")


def test_a_warning_of_a_key_file_is_escaped(directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = directory / "key\x1b"
    path.write_bytes(b"aa bb\r\n")
    path.chmod(0o640)
    assert read_key(Words(frozenset()), str(path)) == b"\xaa\xbb"
    assert "key\\x1b can be read by other users" in capfd.readouterr().err


def test_what_is_invisible_is_escaped() -> None:
    for text, shown in {
        "é ☃ \u00a0": "é ☃ \u00a0",
        "\u2066\u00ad": "\\u{2066}\\u{ad}",
        "\u115f\u1160\uffa0": "\\u{115f}\\u{1160}\\u{ffa0}",
        "\u034f\U000e0101": "\\u{34f}\\u{e0101}",
        "\u0378\ud800": "\\u{378}\\u{d800}",
    }.items():
        assert escaped(text) == shown


def test_a_missing_address_of_ipv6_has_its_own_hint() -> None:
    error = kcom5.Io("[::1]:13600: Cannot assign requested address")
    error.__cause__ = OSError(errno.EADDRNOTAVAIL, "")
    assert "--ipv4" in hint_of(error)


def test_help_names_every_option() -> None:
    for name, command in COMMANDS.items():
        assert all(option in help_of(name) for option in command.options)
        assert "octet" not in help_of(name)


def test_the_licence_is_an_spdx_expression_and_its_text_is_in_the_package() -> None:
    tomllib = pytest.importorskip("tomllib")
    package = ROOT / "impl/python"
    project = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["license"] == "MIT"
    for name in project["license-files"]:
        assert (package / name).read_bytes() == (ROOT / "LICENSE").read_bytes()
