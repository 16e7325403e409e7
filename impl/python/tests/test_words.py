"""The words of the program: its command line, what it shows, and what it never repeats."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from vectors import ROOT

import kcom5
from kcom5.keys import read_address, read_key
from kcom5.options import COMMANDS, UsageError, help_of, parse
from kcom5.words import Words, escaped, hint_of, json_line, quoted

RIGHT: dict[str, dict[str, str]] = {
    "receive -oX": {"--output": "X"},
    "receive -o=X": {"--output": "X"},
    "receive -o X": {"--output": "X"},
    "receive -o-x": {"--output": "-x"},
    "receive -o=-x": {"--output": "-x"},
    "receive --output=-x": {"--output": "-x"},
    "receive -o -": {"--output": "-"},
    "receive -o- --wait 0 --no-clobber --message-file m": {
        "--output": "-",
        "--wait": "0",
        "--no-clobber": "",
        "--message-file": "m",
    },
    "receive --timeout -1": {"--timeout": "-1"},
    "receive --timeout=-2147483648": {"--timeout": "-2147483648"},
    "receive --max-data 18446744073709551615 --max-message=0": {
        "--max-data": "18446744073709551615",
        "--max-message": "0",
    },
    "send --message=": {"--message": ""},
    "send --message=-x": {"--message": "-x"},
    "send f --message-file - --quiet": {"--message-file": "-", "--quiet": ""},
    "pack --port 99999999999999999999": {"--port": "99999999999999999999"},
}


@pytest.mark.parametrize("line", RIGHT)
def test_words_that_are_right(line: str) -> None:
    assert parse(line.split()).values == RIGHT[line]


WRONG = (
    """
|dance|--json|-v|send --bogus|send --po 1|receive x|send a b|pack x|unpack a b|receive -o|send --port
send --port= |send --port +1|send --port 0x10|send --port ١|send --port --ipv4|send --json=yes|send --json --json
receive -o a -o b|receive -o a --output b|receive -o=|receive --output=|receive --unix=|send --message-file=
receive -o -x|receive --output -x|send --message -x|send --timeout 2147483648
send --timeout -2147483649|send --timeout 1.5
receive --wait -1|receive --wait 2147483648|receive --max-data -1|receive --max-data 18446744073709551616
send --unix a --port 1|send --unix a --ipv4|send --unix a --address b|send --address a --port 1
send --message a --message-file b|send --message-file -|send --address -|send f --address - --message-file -
receive --message-file -|receive -o a --message-file a|receive -o a --message-file ./a|receive -o - --message-file -
receive -o - --message-file /dev/stdout|receive -o /dev/stdout --message-file -|receive --no-clobber|send --no-clobber
receive --no-clobber -o -|pack --json=|pack --timeout 1|unpack --port 1|receive --message a|receive -h=1|receive -x
""".strip("\n")
    .replace("\n", "|")
    .split("|")
)


@pytest.mark.parametrize("line", WRONG)
def test_words_that_are_wrong(line: str) -> None:
    with pytest.raises(UsageError):
        parse(line.split())


@pytest.mark.parametrize("line", [["send", ""], ["unpack", ""], ["send", "--port", ""], ["receive", "-o", ""]])
def test_an_empty_word_is_wrong(line: list[str]) -> None:
    with pytest.raises(UsageError, match="empty"):
        parse(line)


def test_the_same_file_is_found_by_any_name(directory: Path) -> None:
    (directory / "a").write_bytes(b"")
    (directory / "b").symlink_to("a")
    os.link(directory / "a", directory / "c")
    (directory / "folder").symlink_to(".")
    for one, other in (("a", "b"), ("a", "c"), ("new", "folder/new"), ("new", "../" + directory.name + "/new")):
        with pytest.raises(UsageError, match="same file"):
            parse(["receive", "-o", f"{directory}/{one}", "--message-file", f"{directory}/{other}"])
    parse(["receive", "-o", f"{directory}/a", "--message-file", f"{directory}/new"])


@pytest.mark.parametrize("secret", ["13600.de.ad.be.ef", "deadbeef", "--13600.de.ad", "--deadbeef"])
def test_what_may_be_a_secret_is_never_repeated(secret: str) -> None:
    for line in (
        [secret],
        ["pack", secret],
        ["send", "a", secret],
        ["receive", f"--port={secret}"],
        ["send", f"--{secret}"],
    ):
        with pytest.raises(UsageError) as caught:
            parse(line)
        assert "de" not in str(caught.value).replace("unpack", "").replace("decimal", "")
    words = Words(frozenset())
    for read in (read_address, read_key):
        if not secret.startswith("-"):
            for source in (secret, f"env:{secret}"):
                with pytest.raises(kcom5.Io, match="there is no such file; an address or a key is not given"):
                    read(words, source)


def test_a_file_with_a_key_that_others_can_read_is_told(directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = directory / "key\x1b"
    path.write_bytes(b"aa bb\r\n")
    for mode, said in ((0o600, ""), (0o640, "can be read"), (0o604, "can be read")):
        path.chmod(mode)
        assert read_key(Words(frozenset()), str(path)) == b"\xaa\xbb"
        err = capfd.readouterr().err
        assert (said in err) if said else not err
        assert "\x1b" not in err
    quiet = Words(frozenset())
    quiet.is_quiet = True
    read_key(quiet, str(path))
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform != "linux", reason="NOT RUN: this is of Linux")
def test_a_program_that_holds_a_key_cannot_be_dumped() -> None:
    code = "import ctypes, sys; sys.path.insert(0, sys.argv[1]); from kcom5.keys import hide; hide()\n"
    code += "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    command = [sys.executable, "-c", code, str(ROOT / "impl/python/src")]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"0\n"


def test_everything_shown_is_escaped() -> None:
    shown = {
        'a\\b"é ☃ \u00a0': 'a\\b"é ☃ \u00a0',
        "\x00\x1b[31m\n\x7f": "\\x00\\x1b[31m\\x0a\\x7f",
        "\x85\x9b": "\\x85\\x9b",
        "\u202e\u2066\u200b\u2028\ufeff\u00ad": "\\u{202e}\\u{2066}\\u{200b}\\u{2028}\\u{feff}\\u{ad}",
        "\u115f\u1160\u3164\uffa0": "\\u{115f}\\u{1160}\\u{3164}\\u{ffa0}",
        "\u034f\ufe0f\U000e0101": "\\u{34f}\\u{fe0f}\\u{e0101}",
        "\ue000\u0378\ud800": "\\u{e000}\\u{378}\\u{d800}",
        os.fsdecode(b"\xff\xc3"): "\\xff\\xc3",
    }
    for text, expected in shown.items():
        assert escaped(text) == expected
    assert quoted('a"\\\x1b' + "x" * 300) == '"a\\"\\\\\\x1b' + "x" * 196 + '"…'
    line = json_line({"detail": os.fsdecode(b"\xff") + "\x1bé", "n": 1})
    assert line == b'{"detail":"\\\\xff\\u001b\\u00e9","n":1}\n'
    assert json.loads(line)["detail"] == "\\xff\x1bé"


def test_a_hint_says_what_to_do() -> None:
    error = kcom5.Io("[::1]:13600: Cannot assign requested address")
    error.__cause__ = OSError(errno.EADDRNOTAVAIL, "")
    assert "--ipv4" in hint_of(error)
    assert "--spool-dir" in hint_of(kcom5.Io("", "spool"))
    assert "--no-clobber" in hint_of(kcom5.Io("", "exists"))
    assert "not the whole" in hint_of(kcom5.Truncated(""), is_in_place=True)
    assert "--max-data" in hint_of(kcom5.OverLimit(""))


def test_help_names_every_option() -> None:
    for name, command in COMMANDS.items():
        text = help_of(name)
        assert all(option in text for option in command.options)
        assert "octet" not in text
    assert all(name in help_of("") for name in COMMANDS)
    options = parse(["send", "--help"])
    assert (options.command, options.about) == ("help", "send")
