"""The table of command lines that the three programs accept and refuse.

Each runs in a directory with the files of `prepare`. `code` and `error` are the expected outcome. An accepted line ends
in success or in a later error, such as `refused` if no server listens at the path `none`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from peers import Argument, Json
from programs import CODES
from situation import Row, World, told


@dataclass(frozen=True)
class Line:
    """One command line. `error` is a name, or None for success; `secret` must not be repeated."""

    words: tuple[Argument, ...]
    error: str | None = "usage"
    detail: str | None = None
    stdin: bytes = b""
    out: str | None = None
    secret: str = ""
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        shown = (part.decode("latin-1") if isinstance(part, bytes) else str(part) for part in self.words)
        words = " ".join(part if part and part.isprintable() and " " not in part else repr(part) for part in shown)
        return f"$ {words or '(nothing)'}" + (f" <<< {self.stdin.decode()}" if self.stdin else "")


def line(words: str, error: str | None = "usage", **more: object) -> Line:
    """Returns a line whose words are split at blanks; `''` is the empty word."""
    return Line(tuple("" if word == "''" else word for word in words.split()), error, **more)  # type: ignore[arg-type]


def prepare(directory: Path) -> None:
    (directory / "file").write_bytes(b"abc")
    (directory / "message").write_bytes(b"hi")
    (directory / "key").write_bytes(b"00010aff")
    (directory / "address").write_bytes(b"13600.00")
    for name in ("file", "message", "key", "address"):
        (directory / name).chmod(0o600)
    (directory / "dir").mkdir()
    os.link(directory / "file", directory / "hard")
    (directory / "link").symlink_to("file")
    (directory / "dangling").symlink_to("new")


TO_NOBODY = "receive --unix none"  # accepted if it ends with `refused`
FROM_NOTHING = "send nothing"  # accepted if it ends with `io`, because the file does not exist
NO_SUCH = "nothing: no such file or directory"
SECRET = (
    "there is no such file; an address or a key is not given on the command line, but in a file, as env:NAME or on "
    "standard input"
)
EXISTS = "exists already"


def structure() -> Iterator[Line]:
    """Commands, operands and options."""
    yield line("")
    for words in ("dance", "--dance", "send --dance", "receive --dance", "pack --dance", "unpack --dance", "send -x"):
        yield line(words)
    yield line("00010affdeadbeef", secret="deadbeef", detail="expected send, receive, pack or unpack")
    yield line("send --wait 1")
    yield line("send --no-clobber")
    yield line("receive --spool-dir dir")
    yield line("receive --message hi")
    yield line("pack --timeout 1")
    yield line("unpack --port 1")
    for words in ("send --time 3", "send --mess x", "receive --out x", "receive --max 1", "send -port 0", "send -p 0"):
        yield line(words)
    for option in ("port", "unix", "address", "timeout", "message", "message-file", "spool-dir"):
        yield line(f"send --{option}")
    for option in ("-o", "--output", "--wait", "--max-message", "--max-data", "--message-file"):
        yield line(f"receive {option}")
    yield line("pack --key")
    for flag in ("ipv4=perhaps", "json=1", "json=", "quiet=yes", "help=1"):
        yield line(f"send --{flag}")
    yield line("receive --no-clobber=1 -o x")
    yield line("send a b", detail="got 2 operands, expected at most 1")
    yield line("send a cafe.deadbeef c", secret="deadbeef", detail="got 3 operands, expected at most 1")
    yield line("receive a")
    yield line("receive deadbeef", secret="deadbeef")
    yield line("pack 00010aff", secret="00010aff")
    yield line("unpack a b", detail="got 2 operands, expected at most 1")
    for words in (
        "send --port 0 --port 0",
        "send --port 0 --port=1",
        "send --timeout 1 --timeout 1",
        "send --unix a --unix a",
        "send --message a --message a",
        "send --ipv4 --ipv4",
        "send --json --json",
        "receive -o a -o b",
        "receive -o a --output a",
        "receive -oa -o=a",
        "receive --wait 1 --wait 1",
        "receive --quiet --quiet",
        "pack --port 1 --port 1",
        "pack --key key --key key",
    ):
        yield line(words)


def empty_values() -> Iterator[Line]:
    yield line("send ''")
    yield line("unpack ''")
    for option in ("message-file", "unix", "address", "spool-dir", "port", "timeout"):
        yield line(f"send file --{option} ''")
        yield line(f"send file --{option}=")
    for option in ("-o", "--output", "--unix", "--message-file", "--address", "--wait", "--max-message", "--max-data"):
        yield line(f"{TO_NOBODY if option != '--unix' else 'receive'} {option} ''")
        yield line(f"{TO_NOBODY if option != '--unix' else 'receive'} {option}=")
    yield line("pack --key ''")
    yield line("pack --key=")
    yield line(f"{FROM_NOTHING} --message ''", "io", detail=NO_SUCH)
    yield line(f"{FROM_NOTHING} --message=", "io", detail=NO_SUCH)


def dashes() -> Iterator[Line]:
    """Values that begin with a dash, and ways to join a value."""
    for words in (
        "receive -o -x",
        "receive -o --port 1",
        "receive --output --json",
        "receive --unix -x",
        "receive --message-file -x",
        "send --message-file -x",
        "send --message -x",
        "send --spool-dir -x",
        "send --address -x",
        "send --port -x",
        "pack --key -x",
    ):
        yield line(words)
    for words in ("-ox", "-o=x", "-o x", "-o-x", "-o=-x", "--output=-x", "--output x", "-o -", "--output=-", "-o=-"):
        yield line(f"{TO_NOBODY} {words}", "refused", detail="nobody listens on none")
    yield line("receive --unix=-none", "refused", detail="nobody listens on -none")
    yield line("receive --unix -", "refused", detail="nobody listens on -")
    yield line(f"{FROM_NOTHING} --message=-x", "io", detail=NO_SUCH)
    yield line(f"{FROM_NOTHING} --message -5", "io", detail=NO_SUCH)
    yield line(f"{FROM_NOTHING} --message -", "io", detail=NO_SUCH)
    yield line(f"{FROM_NOTHING} --message-file -", "io", stdin=b"hi", detail=NO_SUCH)
    yield line(f"{FROM_NOTHING} --address -", "io", stdin=b"13600.00", detail=NO_SUCH)
    yield line("send --message-file -", detail=None)
    yield line("send - --message-file -")
    yield line("send - --address -")
    yield line("send --address -")
    yield line("send file --address - --message-file -")
    yield line("receive --address - --wait 0", "invalid-address", stdin=b"no address")
    yield line("receive --message-file -")
    yield line(f"{TO_NOBODY} -o x --message-file -", "refused")
    yield line("pack --key -", None, stdin=b"00010aff", out="13600.00.01.0a.ff\n")
    yield line("unpack -", None, stdin=b"7.ff", out="port 7\nkey " + "ff" * 48 + "\n")


def numbers() -> Iterator[Line]:
    for number in ("x", "1.5", "13_600", "0x3520", "+1", "1e3", "١٣٦٠٠", "--5", "-", "1-", "0b1", "1,000"):
        yield line(f"receive --port {number}")
    for number in ("+1", "soon", "1.5", "0x1", "2147483648", "-2147483649", "99999999999999999999", "4294967297"):
        yield line(f"{TO_NOBODY} --timeout {number}")
        yield line(f"{FROM_NOTHING} --timeout {number}")
    for number in (" 1", "1 ", "1\t", "\n1"):
        yield Line(("receive", "--unix", "none", "--timeout", number))
    for number in ("2147483647", "-2147483648", "0", "-1", "007"):
        yield line(f"{TO_NOBODY} --timeout {number}", "refused")
        yield line(f"{TO_NOBODY} --timeout={number}", "refused")
        yield line(f"{FROM_NOTHING} --timeout {number}", "io", detail=NO_SUCH)
    for number in ("-1", "2147483648", "99999999999999999999", "x", "1.5", "+1"):
        yield line(f"{TO_NOBODY} --wait {number}")
    yield line(f"{TO_NOBODY} --wait 0", "refused")
    for option in ("--max-message", "--max-data"):
        for number in ("-1", "18446744073709551616", "x", "1k", "+1", "0x10"):
            yield line(f"{TO_NOBODY} {option} {number}")
        for number in ("0", "1", "4294967295", "4294967296", "18446744073709551615"):
            yield line(f"{TO_NOBODY} {option} {number}", "refused")
    for port in ("65536", "-1", "99999999999999999999999999", "-99999999999999999999999999"):
        yield line(f"send file --port {port}", "invalid-port", detail=f"got port {port}, expected 0 to 65535")
        yield line(f"receive --port {port}", "invalid-port", detail=f"got port {port}, expected 1 to 65535")
        yield line(f"pack --port {port}", "invalid-port", stdin=b"00", detail=f"got port {port}, expected 1 to 65535")
    yield line("receive --port 0", "invalid-port", detail="got port 0, expected 1 to 65535")
    yield line("pack --port 0", "invalid-port", stdin=b"00", detail="got port 0, expected 1 to 65535")
    yield line(f"{FROM_NOTHING} --port 0", "io", detail=NO_SUCH)
    yield line("receive --port 1", "refused", detail="nobody listens on PLACE")
    yield line("receive --port 0000000000000000000000000000001", "refused", detail="nobody listens on PLACE")
    yield line("pack --port 007", None, stdin=b"ff", out="7.ff\n")


def exclusions() -> Iterator[Line]:
    for command in ("send", "receive"):
        for words in (
            "--unix p --port 1",
            "--unix p --ipv4",
            "--unix p --address address",
            "--address address --port 1",
            "--port 1 --address address",
        ):
            yield line(f"{command} {words}")
    yield line("send --message a --message-file message")
    yield line("send --message= --message-file message")
    for words in (
        "-o x --message-file x",
        "-o x --message-file ./x",
        "-o x --message-file dir/../x",
        "-o file --message-file file",
        "-o file --message-file hard",
        "-o link --message-file file",
        "-o file --message-file link",
        "-o dangling --message-file new",
        "-o - --message-file -",
        "-o /dev/stdout --message-file -",
        "-o - --message-file /dev/stdout",
        "--message-file /dev/stdout",
        "--no-clobber",
        "--no-clobber -o -",
    ):
        yield line(f"{TO_NOBODY} {words}")
    yield line(f"{TO_NOBODY} --no-clobber -o file", "io", detail=f"file: {EXISTS}")
    yield line(f"{TO_NOBODY} --no-clobber -o new --message-file file", "io", detail=f"file: {EXISTS}")
    yield line(f"{TO_NOBODY} --no-clobber --message-file message", "io", detail=f"message: {EXISTS}")
    yield line(f"{TO_NOBODY} --no-clobber -o link", "io", detail=f"link: {EXISTS}")
    yield line(f"{TO_NOBODY} --no-clobber -o new", "refused")
    yield line(f"{TO_NOBODY} -o file --message-file message", "refused")


def order() -> Iterator[Line]:
    """Which of several errors is reported first, and missing files and sources."""
    yield line("pack --port 0", "invalid-port", stdin=b"no hexadecimal")
    yield line("pack --port 70000 --key nothing", "invalid-port")
    yield line("pack", "invalid-key", stdin=b"000", detail="got 3 characters, expected pairs of hexadecimal digits")
    yield line("pack", "invalid-key", stdin=b"xy")
    yield line(
        "pack",
        "invalid-key",
        stdin=b"0001020304",
        detail="got a key of 5 bytes, expected 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48",
    )
    yield line("send nothing --port 65536 --message-file nothing", "invalid-port")
    yield line("send nothing --address message --message-file nothing", "invalid-address")
    yield Line(
        ("send", "nothing", "--message", b"\xff"),
        "message-not-utf8",
        detail="the message to send is not valid UTF-8",
    )
    yield line("send '' --port 65536")
    yield line(FROM_NOTHING, "io", detail=NO_SUCH)
    yield line("send dir", "io", detail="dir: is a directory")
    yield line("send file/x", "io", detail="file/x: not a directory")
    yield line("send file --message-file nothing", "io", detail=NO_SUCH)
    yield line("send file --message-file dir", "io", detail="dir: is a directory")
    yield line("send file --address nothing", "io", detail=NO_SUCH)
    yield line("send file --address dir", "io", detail="dir: is a directory")
    yield line("pack --key nothing", "io", detail=NO_SUCH)
    yield line("pack --key dir", "io", detail="dir: is a directory")
    yield line("pack --key env:KCOM5_NO_SUCH", "io")
    yield line("unpack nothing", "io", detail=NO_SUCH)
    yield line("unpack dir", "io", detail="dir: is a directory")
    yield line("unpack env:KCOM5_NO_SUCH", "io")
    yield line("unpack", "invalid-address", stdin=b"13600", detail="got a text of 5 bytes that is not PORT.HH.HH…")
    yield line("unpack env:A", None, env={"A": "7.ff"}, out="port 7\nkey " + "ff" * 48 + "\n")
    yield line("unpack address --json", None)
    yield line("unpack address --quiet", "usage")
    yield line("pack --key key", None, out="13600.00.01.0a.ff\n")


def secrets() -> Iterator[Line]:
    yield line("unpack 13600.5e.c1.e7", "io", detail=SECRET, secret="5e.c1.e7")
    yield line("pack --key 5ec1e75ec1e7", "io", detail=SECRET, secret="5ec1e7")
    yield line("pack --port 5ec1e75ec1e7 --key 13600", secret="5ec1e7")
    yield line("send 5ec1e75ec1e7", "io", detail=SECRET, secret="5ec1e7")
    yield line("send file --address 13600.5e.c1.e7", "io", detail=SECRET, secret="5e.c1.e7")
    yield line("receive --address 13600.5e.c1.e7", "io", detail=SECRET, secret="5e.c1.e7")
    yield line("receive --address 5e:c1:e7", "io", detail=SECRET, secret="5e:c1:e7")
    yield line("receive 5ec1e75ec1e7", secret="5ec1e7")
    yield line("unpack --port 5ec1e7", secret="5ec1e7")
    yield line("send --port 5ec1e7", secret="5ec1e7")
    yield line("send --timeout 5ec1e7", secret="5ec1e7")
    yield line("unpack", "invalid-address", stdin=b"13600.5e.c1.e", secret="5e.c1.e")
    yield line("pack", "invalid-key", stdin=b"5ec1e75ec1e", secret="5ec1e7")
    yield line("send file --address env:A", "invalid-address", env={"A": "13600.5ec1e7"}, secret="5ec1e7")


def help_and_version() -> Iterator[Line]:
    for words in ("--help", "-h", "--version", *(f"{c} {h}" for c in COMMANDS for h in ("--help", "-h"))):
        yield line(words, None)


COMMANDS = ("send", "receive", "pack", "unpack")

LINES = [
    each
    for part in (structure, empty_values, dashes, numbers, exclusions, order, secrets, help_and_version)
    for each in part()
]


def row(each: Line) -> Row:
    """Runs the line in a prepared directory, and checks that no file was added, removed or changed."""

    def act(world: World) -> Json:
        prepare(world.directory)
        before = world.files()
        words: list[Argument] = [*each.words]
        if words[:1] in (["send"], ["receive"]) and not any("--time" in str(word) for word in words):
            words.insert(1, "--timeout=1")  # ends a program that wrongly accepts the line
        result = world.program.run(*words, stdin=each.stdin, cwd=world.directory, env=each.env)
        assert before == world.files(), "files have changed"
        assert not each.secret or each.secret.encode() not in result.err + result.out, f"shows a secret: {result}"
        outcome = told(result)
        if each.error == "usage" and each.detail is None:
            outcome.pop("detail", None)  # each program has its own text here
        if each.words[-1:] in (("--help",), ("-h",), ("--version",)):
            outcome.pop("out", None)  # each program has its own help text
        return outcome

    expected: Json = {"code": CODES[each.error] if each.error else 0, "error": each.error}
    if each.detail is not None:
        expected["detail"] = each.detail
    if each.out is not None:
        expected["out"] = each.out
    return Row(each.id, act, expected)


ROWS = [row(each) for each in LINES]
