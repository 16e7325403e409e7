"""The table of command lines that the three programs accept and refuse.

Each runs in a directory with the files of `prepare`. An accepted line ends in success or in a later error, such as
`refused` if no server listens at the path `none`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from peers import Json
from situation import Row, row
from world import HINTS, Argument, World, told


def prepare(world: World) -> None:
    world.file("file", b"abc")
    world.file("message", b"hi")
    world.file("latin-1", b"caf\xe9")
    world.file("key", b"00010aff")
    world.file("address", b"13600.00")
    (world / "dir").mkdir()
    os.link(world / "file", world / "hard")
    (world / "link").symlink_to("file")
    (world / "dangling").symlink_to("new")


def line(
    words: str | tuple[Argument, ...],
    error: str | None = "usage",
    detail: str = "",
    stdin: bytes = b"",
    out: Json | str = "",
    secret: str = "",
    env: Mapping[str, str] | None = None,
    hint: str | None = None,
) -> Row:
    """Returns a row of one command line, whose words are split at blanks; `''` is the empty word.

    `error` is a name, or None for success; `secret` must not be repeated. `out` is the standard output, or what it
    tells as JSON.
    """
    parts = tuple("" if word == "''" else word for word in words.split()) if isinstance(words, str) else words

    def act(world: World) -> Json:
        before = world.files()
        bound = None if any("--time" in str(word) for word in parts) else 1  # ends a program that accepts a wrong line
        result = world.run(*parts, stdin=stdin, env=env, bound=bound)
        said = result.err + result.out
        assert before == world.files(), "files have changed"
        assert not secret or secret.encode() not in said, f"shows a secret: {result}"
        assert b"listening on" not in said, result
        return told(result)

    expected: Json = {"error": error, "hint": hint, "out": None} if error else {"code": 0, "words": None}
    if detail or error == "usage":
        expected["detail"] = detail or ...  # each program has its own text for wrong use
    if out:
        expected |= out if isinstance(out, dict) else {"out": out}
    name = words if isinstance(words, str) else " ".join(map(repr, words))
    return row(f"$ {name or '(nothing)'}" + (f" <<< {stdin[:40]!r}" if stdin else ""), expected, act, before=prepare)


TO_NOBODY = "receive --unix none"  # accepted if it ends with `refused`
FROM_NOTHING = "send nothing"  # accepted if it ends with `io`, because the file does not exist
NO_SUCH = "nothing: no such file or directory"
SECRET = (
    "there is no such file; an address or a key is not given on the command line, but in a file, as env:NAME or on "
    "standard input"
)
KEY = "00010aff"
ADDRESS = "13600.00.01.0a.ff"
UNPACKED = f"port 13600\nkey {KEY * 12}\n"


def wrong_use() -> Iterator[str]:
    """Yields lines that are wrong use, without more to check."""
    yield ""
    for words in ("dance", "--dance", "send --dance", "receive --dance", "pack --dance", "unpack --dance", "send -x"):
        yield words
    yield from ("send --wait 1", "send --no-clobber", "receive --spool-dir dir", "receive --message hi")
    yield from ("pack --timeout 1", "unpack --port 1", "unpack address --quiet", "receive a")
    yield from ("send --time 3", "send --mess x", "receive --out x", "receive --max 1", "send -port 0", "send -p 0")
    # without a value, or with one that an option does not take
    for option in ("port", "unix", "address", "timeout", "message", "message-file", "spool-dir"):
        yield f"send --{option}"
    for option in ("-o", "--output", "--wait", "--max-message", "--max-data", "--message-file"):
        yield f"receive {option}"
    yield "pack --key"
    for flag in ("ipv4=perhaps", "json=1", "json=", "quiet=yes", "help=1"):
        yield f"send --{flag}"
    yield "receive --no-clobber=1 -o x"
    # twice
    for option in ("port", "unix", "timeout", "message"):
        yield f"send --{option} 1 --{option} 1"
    yield from ("send --port 0 --port=1", "send --ipv4 --ipv4", "send --json --json", "receive --quiet --quiet")
    yield from ("receive -o a -o b", "receive -o a --output a", "receive -oa -o=a", "receive --wait 1 --wait 1")
    yield from ("pack --port 1 --port 1", "pack --key key --key key")
    # empty values
    yield from ("send ''", "unpack ''", "send '' --port 65536", "pack --key ''", "pack --key=")
    for option in ("message-file", "unix", "address", "spool-dir", "port", "timeout"):
        yield f"send file --{option} ''"
        yield f"send file --{option}="
    for option in ("-o", "--output", "--message-file", "--address", "--wait", "--max-message", "--max-data"):
        yield f"{TO_NOBODY} {option} ''"
        yield f"{TO_NOBODY} {option}="
    yield from ("receive --unix ''", "receive --unix=")
    # values that begin with a dash, and standard input twice
    for option in ("-o -x", "-o --port 1", "--output --json", "--unix -x", "--message-file -x", "--message-file -"):
        yield f"receive {option}"
    for option in ("--message-file -x", "--message -x", "--spool-dir -x", "--address -x", "--port -x"):
        yield f"send {option}"
    yield from ("pack --key -x", "send --message-file -", "send - --message-file -", "send - --address -")
    yield from ("send --address -", "send file --address - --message-file -")
    # numbers
    for number in ("x", "1.5", "13_600", "0x3520", "+1", "1e3", "١٣٦٠٠", "--5", "-", "1-", "0b1", "1,000"):
        yield f"receive --port {number}"
    for number in ("+1", "soon", "1.5", "0x1", "2147483648", "-2147483649", "99999999999999999999", "4294967297"):
        yield f"{TO_NOBODY} --timeout {number}"
        yield f"{FROM_NOTHING} --timeout {number}"
    for number in ("-1", "2147483648", "99999999999999999999", "x", "1.5", "+1"):
        yield f"{TO_NOBODY} --wait {number}"
    for number in ("-1", "18446744073709551616", "x", "1k", "+1", "0x10"):
        yield f"{TO_NOBODY} --max-message {number}"
        yield f"{TO_NOBODY} --max-data {number}"
    # options that exclude each other
    for words in (
        "--unix p --port 1",
        "--unix p --ipv4",
        "--unix p --address address",
        "--address address --port 1",
        "--port 1 --address address",
    ):
        yield f"send {words}"
        yield f"receive {words}"
    yield from ("send --message a --message-file message", "send --message= --message-file message")
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
        yield f"{TO_NOBODY} {words}"


def with_details() -> Iterator[Row]:
    """Wrong use whose text is the same in all programs, or that must not show a secret."""
    yield line("00010affdeadbeef", secret="deadbeef", detail="expected send, receive, pack or unpack")
    for words, count in (("send a b", 2), ("send a cafe.deadbeef c", 3), ("unpack a b", 2)):
        yield line(words, secret="deadbeef", detail=f"got {count} operands, expected at most 1")
    for words in ("--deadbeef", "send --deadbeef", "send --13600.deadbeef", "send ----deadbeef", "receive deadbeef"):
        yield line(words, secret="deadbeef")
    yield line("pack 00010aff", secret="00010aff")
    for words in ("pack --port 5ec1e75ec1e7 --key 13600", "receive 5ec1e75ec1e7", "unpack --port 5ec1e7"):
        yield line(words, secret="5ec1e7")
    for words in ("send --port 5ec1e7", "send --timeout 5ec1e7", "unpack --5ec1e7"):
        yield line(words, secret="5ec1e7")
    for number in (" 1", "1 ", "1\t", "\n1"):
        yield line(("receive", "--unix", "none", "--timeout", number))


def accepted() -> Iterator[Row]:
    """Lines that are accepted, and end with a later error."""
    for words in ("-ox", "-o=x", "-o x", "-o-x", "-o=-x", "--output=-x", "--output x", "-o -", "--output=-", "-o=-"):
        yield line(f"{TO_NOBODY} {words}", "refused", "nobody listens on none")
    yield line("receive --unix=-none", "refused", "nobody listens on -none")
    yield line("receive --unix -", "refused", "nobody listens on -")
    for words in ("--message ''", "--message=", "--message=-x", "--message -5", "--message -", "--port 0"):
        yield line(f"{FROM_NOTHING} {words}", "io", NO_SUCH)
    yield line(f"{FROM_NOTHING} --message-file -", "io", NO_SUCH, stdin=b"hi")
    yield line(f"{FROM_NOTHING} --address -", "io", NO_SUCH, stdin=b"13600.00")
    for words in ("-o x --message-file -", "-o file --message-file message", "--no-clobber -o new", "--wait 0"):
        yield line(f"{TO_NOBODY} {words}", "refused")
    for number in ("2147483647", "-2147483648", "0", "-1", "007"):
        yield line(f"{TO_NOBODY} --timeout {number}", "refused")
        yield line(f"{TO_NOBODY} --timeout={number}", "refused")
        yield line(f"{FROM_NOTHING} --timeout {number}", "io", NO_SUCH)
    for number in ("0", "1", "4294967295", "4294967296", "18446744073709551615"):
        yield line(f"{TO_NOBODY} --max-message {number}", "refused")
        yield line(f"{TO_NOBODY} --max-data {number}", "refused")
    for port in ("1", "0000000000000000000000000000001"):
        yield line(f"receive --port {port}", "refused", "nobody listens on [::1]:PORT")
    there = (
        "-o file",
        "-ofile",
        "-o=file",
        "--output=file",
        "-o link",
        "-o new --message-file file",
        "--message-file file",
    )
    for words in there:
        detail = f"{'link' if 'link' in words else 'file'}: exists already"
        yield line(f"{TO_NOBODY} --no-clobber {words}", "io", detail, hint=HINTS["exists"])


def other_errors() -> Iterator[Row]:
    """Ports, keys, addresses, messages and files; and which of several errors is reported first."""
    for port in ("65536", "-1", "99999999999999999999999999", "-99999999999999999999999999"):
        yield line(f"send file --port {port}", "invalid-port", f"got port {port}, expected 0 to 65535")
        yield line(f"receive --port {port}", "invalid-port", f"got port {port}, expected 1 to 65535")
        yield line(f"pack --port {port}", "invalid-port", f"got port {port}, expected 1 to 65535", stdin=b"00")
    yield line("receive --port 0", "invalid-port", "got port 0, expected 1 to 65535")
    yield line("pack --port 0", "invalid-port", "got port 0, expected 1 to 65535", stdin=b"00")
    yield line("pack --port 0", "invalid-port", stdin=b"no hexadecimal")
    yield line("pack --port 70000 --key nothing", "invalid-port")
    yield line("send nothing --port 65536 --message-file nothing", "invalid-port")
    yield line("send nothing --address message --message-file nothing", "invalid-address")
    yield line("receive --address - --wait 0", "invalid-address", stdin=b"no address")
    for key in (b"", b"xy", b"0x", b"+1", "٠٠".encode(), b"\xff\xfe", b"00\x00"):
        yield line("pack", "invalid-key", stdin=key)
    yield line("pack", "invalid-key", "got 3 characters, expected pairs of hexadecimal digits", stdin=b"000")
    wrong_length = "got a key of 5 bytes, expected 1, 2, 3, 4, 6, 8, 12, 16, 24 or 48"
    yield line("pack", "invalid-key", wrong_length, stdin=b"0001020304")
    for address in (b"", b"\n", b"13600.00\n\n", b"13600.00 ", b"13600.00\x00", b"13600.\xff\xfe", b"9" * 30000):
        yield line("unpack", "invalid-address", stdin=address)
    yield line("unpack", "invalid-address", stdin=b"\x1b[31m13600.00", secret="\x1b")
    yield line("unpack", "invalid-address", "got a text of 5 bytes that is not PORT.HH.HH…", stdin=b"13600")
    for message in (("--message", b"\xff"), ("--message-file", "latin-1")):
        yield line(("send", "nothing", *message), "message-not-utf8", "the message to send is not valid UTF-8")
    no_folder = "dir: is a directory"
    yield line("send file/x", "io", "file/x: not a directory")
    for words in ("send", "send file --message-file", "send file --address", "pack --key", "unpack"):
        yield line(f"{words} nothing", "io", NO_SUCH)
        yield line(f"{words} dir", "io", no_folder)
    for words in ("pack --key", "unpack", "send file --address", "receive --address"):
        yield line(f"{words} env:KCOM5_NO_SUCH", "io")
    yield line("receive --address nothing", "io", NO_SUCH)
    for words in ("unpack", "send file --address", "receive --address"):
        yield line(f"{words} 13600.5e.c1.e7", "io", SECRET, secret="5e.c1.e7")
    for words in (
        "pack --key 5ec1e75ec1e7",
        "pack --key env:5ec1e75ec1e7",
        "send 5ec1e75ec1e7",
        "send x --message-file 5ec1e75ec1e7",
        "receive --address 5e:c1:e7",
    ):
        yield line(words, "io", SECRET, secret=words[-6:])
    yield line("unpack", "invalid-address", stdin=b"13600.5e.c1.e", secret="5e.c1.e")
    yield line("pack", "invalid-key", stdin=b"5ec1e75ec1e", secret="5ec1e7")
    for words in ("send file", "receive"):
        yield line(f"{words} --address env:A", "invalid-address", env={"A": "13600.5ec1e7"}, secret="5ec1e7")


def successes() -> Iterator[Row]:
    for key in (b"00010aff", b"00010AFF", b" 00 01\t0a\r\nff\n\n"):
        yield line("pack", None, stdin=key, out=f"{ADDRESS}\n")
    yield line("pack --port 007", None, stdin=b"ff", out="7.ff\n")
    yield line("pack --key -", None, stdin=b"00010aff", out=f"{ADDRESS}\n")
    yield line("pack --key key", None, out=f"{ADDRESS}\n")
    yield line("pack --key env:KEY", None, env={"KEY": KEY}, out=f"{ADDRESS}\n")
    yield line("pack --key - --json", None, stdin=b"00010aff", out={"address": ADDRESS})
    for address in (b"13600.00.01.0A.FF", b"13600.00.01.0a.ff\n", b"13600.00.01.0a.ff\r\n"):
        yield line("unpack", None, stdin=address, out=UNPACKED)
    yield line("unpack -", None, stdin=ADDRESS.encode(), out=UNPACKED)
    yield line("unpack env:A", None, env={"A": ADDRESS}, out=UNPACKED)
    yield line("unpack address", None, out=f"port 13600\nkey {'00' * 48}\n")
    yield line("unpack address --json", None, out={"port": 13600, "key": "00" * 48})


OPTIONS = {
    "": "send receive pack unpack --version",
    "send": "--port --ipv4 --unix --address --timeout --message --message-file --spool-dir --quiet --json",
    "receive": "-o --output --no-clobber --port --ipv4 --unix --address --timeout --message-file --max-message --max-data "
    "--wait --quiet --json",
    "pack": "--port --key --json",
    "unpack": "--json",
}


def help_and_version() -> Iterator[Row]:
    def helped(world: World, command: str, option: str) -> Json:
        result = world.run(*command.split(), option)
        words = re.findall(r"[-a-z0-9]+", result.out.decode())
        return {**told(result), "lacks": sorted(set(OPTIONS[command].split()) - set(words)), "out": None}

    for command in OPTIONS:
        for option in ("--help", "-h"):
            yield row(f"$ {command} {option}", {"code": 0, "lacks": [], "words": None}, helped, command, option)

    def version(world: World) -> Json:
        result = world.run("--version")
        assert re.fullmatch(rb"kcom5 \d+\.\d+\.\d+\n", result.out)
        return told(result)

    yield row("$ --version", {"code": 0, "words": None}, version)


ROWS = [
    *map(line, wrong_use()),
    *with_details(),
    *accepted(),
    *other_errors(),
    *successes(),
    *help_and_version(),
]
