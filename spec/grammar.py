#!/usr/bin/env python3
"""Parse what the cores take with the grammar of the spec, and see that both take the same.

The ABNF of kcom5.md is read by an ABNF library (PyPI: abnf). What it leaves to prose is added here: the port is at most
65535, the groups divide 48, the echo is the hello, a field is as long as it says, a message is UTF-8.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "impl/python/src"), str(ROOT / "vectors"), str(ROOT / "fuzz/differential")]

import inputs  # noqa: E402
import reader  # noqa: E402
from abnf import ParseError, Rule  # noqa: E402
from kcom5 import KcomError, unpack  # noqa: E402
from kcom5.exchange import ClientExchange, ServerExchange  # noqa: E402

SPEC = ROOT / "spec/kcom5.md"
HELLO = b"KCOM5" + reader.NONCE
BLOCK = 50_000


class Grammar:
    """The rules of the spec's blocks of ABNF."""

    def __init__(self, text: str, name: str = "Spec") -> None:
        blocks = re.findall(r"^```abnf\n(.*?)^```", text, re.M | re.S)
        self.rules: type[Rule] = type(name, (Rule,), {})
        with tempfile.NamedTemporaryFile("w", suffix=".abnf", newline="") as file:
            file.write("".join(f"{line}\r\n" for block in blocks for line in block.splitlines()))
            file.flush()
            self.rules.from_file(file.name)

    def takes(self, rule: str, octets: bytes) -> bool:
        """Whether the whole text is what the rule says; an octet is a character."""
        try:
            self.rules(rule).parse_all(octets.decode("latin-1"))
        except ParseError:
            return False
        return True

    def takes_address(self, text: str) -> bool:
        if not text.isascii() or not self.takes("address", text.encode()):
            return False
        port, *groups = text.split(".")
        return int(port) <= 65535 and 48 % len(groups) == 0

    def takes_hello(self, octets: bytes) -> bool:
        return self.takes("from-client", octets)

    def takes_answer(self, octets: bytes) -> bool:
        """Whether the octets are echo and frame, each field as long as it says."""
        if octets[:8] != HELLO or not self.takes("echo", octets[:8]):
            return False
        at, frame = 8, octets[8:]
        for length, field, size in (("message-length", "message", 4), ("data-length", "data", 8)):
            counted = octets[at : at + size]
            if not self.takes(length, counted):
                return False
            at += size
            end = at + int.from_bytes(counted, "little")
            if end > len(octets) or not self.takes(field, octets[at:end]):
                return False
            if field == "message" and not is_utf8(octets[at:end]):
                return False
            at = end
        return at == len(octets) and self.takes("frame", frame)


def is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def core_takes_address(text: str) -> bool:
    try:
        unpack(text)
    except KcomError:
        return False
    return True


def core_takes_hello(octets: bytes) -> bool:
    exchange = ServerExchange("", 0)
    exchange.on("connected")
    try:
        exchange.feed(octets)
    except KcomError:
        return False
    return exchange.state == "sending"


def core_takes_answer(octets: bytes) -> bool:
    """Whether a client has everything after these octets, and none is left over."""
    exchange = ClientExchange(reader.NONCE)
    exchange.on("connected")
    try:
        used = exchange.feed(octets)
    except KcomError:
        return False
    return exchange.state == "data" and exchange.needed == len(octets) - used


def changed(octets: bytes, dice: random.Random) -> bytes:
    """One octet changed, left out or put in, or nothing."""
    at, kind = dice.randrange(len(octets) + 1), dice.randrange(6)
    if kind == 0:
        return octets[:at]
    if kind == 1:
        return octets[:at] + octets[at + 1 :]
    new = dice.choice((b"\0", b".", b"0", b"\xff", b"\x80", b"\n", b" ", b"-", bytes([dice.randrange(256)])))
    if kind == 2:
        return octets[:at] + new + octets[at:]
    return octets[:at] + new + octets[at + 1 :] if kind == 3 else octets


def address(dice: random.Random) -> str:
    port = str(dice.choice((dice.randrange(1, 65536), 1, 9, 10, 65535, 65536, 0, 99999)))
    count = (
        dice.choice((1, 1, 1, 2, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 48, 49))
        if dice.randrange(8) == 0
        else dice.choice((1, 2, 3))
    )
    digits = "0123456789abcdefABCDEF" if dice.randrange(8) else "0123456789abcdefg"
    groups = ("".join(dice.choices(digits, k=2)) for _ in range(count))
    return changed(".".join((port, *groups)).encode(), dice).decode("latin-1")


def answer(dice: random.Random) -> bytes:
    message = dice.choice((b"", b"hi", "\u00e9\U0001f600".encode(), b"\xed\xa0\x80", b"\xc0\x80"))
    data = dice.randbytes(dice.randrange(4))
    return changed(HELLO + len(message).to_bytes(4, "little") + message + len(data).to_bytes(8, "little") + data, dice)


def generated(seed: int, count: int) -> Iterator[tuple[str, str | bytes]]:
    dice = random.Random(seed)
    for _ in range(count):
        match dice.randrange(4):
            case 0:
                yield "hello", changed(b"KCOM5" + dice.randbytes(3), dice)
            case 1:
                yield "answer", answer(dice)
            case _:
                yield "address", address(dice)


def of_vectors() -> Iterator[tuple[str, str | bytes]]:
    """Every address, and everything that a peer sends in one piece or in many, up to a kibioctet."""
    for vector in reader.load():
        if vector.role == "unpack":
            yield "address", vector.give["in"]
        elif vector.role in ("server", "client"):
            parts = [part for step in vector.steps if step[0] == "send" for part in step[1:]]
            if sum(part["size"] for part in parts if isinstance(part, dict) and "size" in part) <= 1024:
                yield ("hello" if vector.role == "server" else "answer"), reader.joined(parts)


def differences(grammar: Grammar, given: Iterator[tuple[str, str | bytes]]) -> Iterator[str]:
    """Where grammar and core differ."""
    pairs: dict[str, tuple[Callable[..., bool], Callable[..., bool]]] = {
        "address": (grammar.takes_address, core_takes_address),
        "hello": (grammar.takes_hello, core_takes_hello),
        "answer": (grammar.takes_answer, core_takes_answer),
    }
    for kind, text in given:
        by_grammar, by_core = (takes(text) for takes in pairs[kind])
        if by_grammar != by_core:
            yield f"{kind} {text!r}: the grammar {'takes' if by_grammar else 'refuses'} it, the core does not"


def input_of(kind: str, text: str | bytes) -> bytes:
    """For a peer of fuzz/differential."""
    octets = text.encode() if isinstance(text, str) else text
    if kind == "address":
        return b"u" + octets
    head = inputs.server(b"", 0) if kind == "hello" else inputs.client()
    end = b"" if kind == "hello" else inputs.NUMBER_OF["end"]
    return head + inputs.NUMBER_OF["connected"] + inputs.given(octets) + end


def same_in_all(given: list[tuple[str, str | bytes]]) -> str:
    """Run them through the three cores, and say where these differ, or ""."""
    import engine

    block = inputs.block_of(input_of(kind, text) for kind, text in given)
    team = engine.Team({name: engine.built(name) for name in engine.PEERS})
    try:
        return "" if team.run(block) else engine.report(team.narrow(0, block))
    finally:
        team.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strings", type=int, default=2_000, metavar="N", help="generated strings (default: 2,000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the strings (default: 1)")
    parser.add_argument("--all", action="store_true", help="the C++ and Go cores too, built first if need be")
    options = parser.parse_args()
    grammar, start = Grammar(SPEC.read_text(encoding="utf-8")), time.monotonic()
    of_them, done = list(of_vectors()), 0
    faults: list[str] = []
    while True:
        faults += differences(grammar, iter(of_them))
        if options.all and not faults and (why := same_in_all(of_them)):
            faults.append(why)
        done += len(of_them)
        if faults or done >= options.strings:
            break
        of_them = list(generated(options.seed + done, min(BLOCK, options.strings - done)))
        print(f"grammar: {done:,} ({time.monotonic() - start:.0f} s)", file=sys.stderr, flush=True)
    for fault in faults[:10]:
        print(f"grammar: {fault}")
    cores = "C++, Python and Go cores" if options.all else "Python core"
    if not faults:
        print(f"grammar: {done:,} strings, the vectors among them: the ABNF and the {cores} take the same")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
