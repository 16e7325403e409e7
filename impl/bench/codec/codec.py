"""What head and address cost in Python: prints nanoseconds, the best of five, as JSON."""

from __future__ import annotations

import json
import timeit
from collections.abc import Callable

from kcom5 import pack, unpack
from kcom5.exchange import ClientExchange, ServerExchange

NONCE = bytes([1, 2, 3])
KEY = bytes(range(48))
ADDRESS = pack(13600, KEY)


def head_encode() -> bytes:
    exchange = ServerExchange("", 1 << 20)
    exchange.on("connected")
    exchange.feed(b"KCOM5" + NONCE)
    return exchange.head


HEAD = head_encode()


def head_decode() -> None:
    exchange = ClientExchange(NONCE)
    exchange.on("connected")
    exchange.feed(HEAD)
    if exchange.state != "data":
        raise SystemExit("not decoded")


WORK: dict[str, Callable[[], object]] = {
    "head_encode": head_encode,
    "head_decode": head_decode,
    "pack": lambda: pack(13600, KEY),
    "unpack": lambda: unpack(ADDRESS),
}

if __name__ == "__main__":
    result = {}
    for name, work in WORK.items():
        timer = timeit.Timer(work)
        count, _ = timer.autorange()
        result[name] = min(timer.repeat(5, count)) / count * 1e9
    print(json.dumps(result))
