#!/usr/bin/env python3
"""The Python core's peer: runs numbered inputs through the core and answers with digests.

What it is asked: README.md. KCOM5_PYTHON is the folder of another package to test.
"""

from __future__ import annotations

import mmap
import os
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "spec"))
sys.path.insert(0, os.environ.get("KCOM5_PYTHON", str(ROOT / "impl/python/src")))

from errors import read  # noqa: E402
from generate import HELLO, MASK, NONCE, Asked, Input, input_of, load, random_input, size_of, words_of  # noqa: E402
from kcom5.address import pack, unpack  # noqa: E402
from kcom5.errors import KcomError  # noqa: E402
from kcom5.exchange import ClientExchange, Limits, ServerExchange  # noqa: E402
from kcom5.wire import encode_message  # noqa: E402

ERRORS = read().errors
"""The spec's table of errors. The place of an error in it is its outcome; 0 is success."""
OUTCOMES = ["ok", *(error.name for error in ERRORS), "not ended"]
PLACE = {(error.name, error.family): place for place, error in enumerate(ERRORS, 1)}
NOT_ENDED = len(ERRORS) + 1
HELLO_SENT = 1
HALF_CLOSED = 2
ASKED_WRONGLY = 4


def place_of(error: KcomError) -> int:
    return PLACE[error.name, error.family]


limits_of: dict[tuple[int | None, int | None], Limits] = {}


def make_limits(message: int | None, data: int | None) -> Limits:
    """None: what the core has by itself."""
    limits = Limits()
    if message is not None:
        limits.message = message
    if data is not None:
        limits.data = None if data == MASK else data
    return limits


def unpacked(text: bytes) -> bytes:
    try:
        port, key = unpack(text.decode("utf-8", "surrogateescape"))
    except KcomError as error:
        return bytes((place_of(error),))
    return b"\0" + port.to_bytes(2, "little") + key + pack(port, key[: text.count(b".")]).encode()


def packed(port: int, key: bytes) -> bytes:
    try:
        return b"\0" + pack(port, key).encode()
    except KcomError as error:
        return bytes((place_of(error),))


def checked(message: bytes | memoryview) -> bytes:
    try:
        encode_message(message)
    except KcomError as error:
        return bytes((place_of(error),))
    return b"\0"


def checked_length(size: int) -> bytes:
    """Of a message of so many octets, in memory that nobody touches."""
    return checked(memoryview(mmap.mmap(-1, size)))


def feed(exchange: ClientExchange, octets: bytes) -> tuple[int, bytes]:
    """Give octets. Returns how many were taken, and those of them that are data."""
    taken = exchange.feed(octets)
    data = b""
    if taken < len(octets) and exchange.state == "data":
        data = octets[taken : taken + exchange.needed]
        if data:
            exchange.arrived(len(data))
    if exchange.state == "data" and exchange.needed == 0:
        exchange.delivered()
    return taken + len(data), data


def feed_as_asked(exchange: ClientExchange, octets: bytes) -> tuple[bytes, bool]:
    """Give octets field by field: one octet, then as many as the field still needs.

    Returns the data, and whether each piece was taken, and the last of a field was its last.
    """
    is_first = True
    found = b""
    while octets and exchange.state not in ("done", "failed"):
        before = exchange.state
        needed = exchange.needed
        piece = octets[: 1 if is_first else max(needed, 0)]
        taken, data = feed(exchange, piece)
        found += data
        if needed < 1 or taken != len(piece):
            return found, False
        octets = octets[len(piece) :]
        is_first = exchange.state != before
        if is_first != (len(piece) == needed):
            return found, False
    return found, True


def tell(exchange: ClientExchange | ServerExchange, event: str) -> str:
    """Give an event; `wrong` is a peer of another user. Returns the action."""
    if event != "wrong":
        return exchange.on(event)
    exchange.refuse_peer()
    return ""


def receive(has_offset: bool, limits: tuple[int | None, int | None], start: str, acts: list[bytes | str]) -> bytes:
    found = limits_of.get(limits)
    if found is None:
        found = limits_of[limits] = make_limits(*limits)
    exchange = ClientExchange(NONCE, found)
    flags = 0
    data = b""
    for act in [start, *acts] if start else acts:
        try:
            if isinstance(act, str):
                if tell(exchange, act) == "send hello" and exchange.hello == HELLO:
                    flags = HELLO_SENT
            else:
                taken, is_right = (
                    feed_as_asked(exchange, act) if isinstance(act, Asked) else (feed(exchange, act)[1], True)
                )
                data += taken
                flags |= 0 if is_right else ASKED_WRONGLY
        except KcomError:
            pass  # kept in exchange.error
    state = exchange.state
    outcome = 0 if state == "done" else place_of(exchange.error) if exchange.error else NOT_ENDED
    record = b"%c%c%b" % (outcome, flags, (exchange.consumed if has_offset else 0).to_bytes(4, "little"))
    if state == "done":
        message = exchange.message.encode()
        lengths = len(message).to_bytes(4, "little"), exchange.data_length.to_bytes(8, "little")
        return record + lengths[0] + message + lengths[1] + data
    if outcome == NOT_ENDED:
        return record + exchange.needed.to_bytes(8, "little")
    return record


def serve(has_offset: bool, message: bytes, data_size: int, start: str, acts: list[bytes | str]) -> bytes:
    try:
        exchange = ServerExchange(message, data_size)
    except KcomError as error:
        return bytes((place_of(error),))
    flags = 0
    sent = b""
    for act in [start, *acts] if start else acts:
        try:
            if isinstance(act, str):
                if tell(exchange, act) == "half-close":
                    flags = HALF_CLOSED
            else:
                exchange.feed(act)
                if not sent and exchange.state == "sending":
                    sent = exchange.head
        except KcomError:
            pass
    outcome = 0 if exchange.state == "done" else place_of(exchange.error) if exchange.error else NOT_ENDED
    at = exchange.consumed if has_offset else 0
    return b"%c%c%b%b%b" % (outcome, flags, at.to_bytes(4, "little"), len(sent).to_bytes(4, "little"), sent)


ACT: dict[str, Callable[..., bytes]] = {
    "u": unpacked,
    "p": packed,
    "m": checked,
    "l": checked_length,
    "c": receive,
    "s": serve,
}


def run(given: Input) -> bytes:
    return ACT[given[0]](*given[1:])


def digest(name: str, seed: int, first: int, count: int) -> str:
    checksum = 0
    counts = [0] * len(OUTCOMES)
    records = []
    size = 0
    if name == "random":
        inputs = (random_input(seed, index) for index in range(first, first + count))
    else:
        inputs = (input_of(name, seed, index) for index in range(first, first + count))
    for given in inputs:
        record = ACT[given[0]](*given[1:])
        counts[record[0]] += 1
        records.append(record)
        size += len(record)
        if size > 1 << 16:
            checksum = zlib.crc32(b"".join(records), checksum)
            records.clear()
            size = 0
    checksum = zlib.crc32(b"".join(records), checksum)
    return " ".join([f"{checksum:x}", *map(str, counts)])


def main() -> None:
    for line in sys.stdin:
        verb, name, *words = line.rstrip("\n").split(" ")
        numbers = [] if verb == "load" else [int(word) for word in words]
        if verb == "load":
            load(line.rstrip("\n")[5:])
            answer = str(size_of("replay"))
        elif verb == "size":
            answer = str(size_of(name))
        elif verb == "digest":
            answer = digest(name, *numbers)
        elif verb == "show":
            given = input_of(name, *numbers)
            record = run(given)
            outcome = OUTCOMES[record[0]]
            answer = f"{words_of(given)} => {outcome} {record.hex()}"
        else:
            raise ValueError(f"no such question: {line}")
        print(answer, flush=True)


if __name__ == "__main__":
    main()
