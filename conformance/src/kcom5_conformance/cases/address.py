"""Cases of addresses: every octet in the place of a digit, and what one call leaves for the next."""

from __future__ import annotations

import re

from .. import data
from ..harness.harness import Harness
from ..results import Json
from .registry import case
from .replay import row
from .vectors import load

_ADDRESS = re.compile(rb"[1-9][0-9]{0,4}(\.[0-9A-Fa-f]{2})+")
_PLACES = ("{}.aa", "1{}.aa", "1360{}.aa", "13600{}aa", "13600.{}a", "13600.a{}", "13600.aa{}bb")
"""The places of a digit, of a dot, and after the first group."""
_RIGHT = ("13600.00.01.0a.ff", 13600, "00010aff" * 12)


async def _unpacked(harness: Harness, text: str) -> Json:
    return await row(harness, {"op": "unpack", "address": text})


@case("address.reject/each-octet-in-each-place", "address", "letters are folded by bits, or a class has other digits",
      is_hostile=False)  # fmt: skip
async def each_octet_in_each_place(harness: Harness) -> None:
    for place in _PLACES:
        for octet in range(128):
            text = place.format(chr(octet))
            if _ADDRESS.fullmatch(text.encode()):
                continue
            answer = await _unpacked(harness, text)
            if answer.get("error") not in ("invalid-address", "error"):
                harness.fail("delivered", f"{answer} for {text!r}", "invalid-address", "accepts")
            harness.forget()


@case("address.expand/after-each-refused-one", "address", "what one call leaves is taken for the next one's",
      is_hostile=False)  # fmt: skip
async def after_each_refused_one(harness: Harness) -> None:
    text, port, key = _RIGHT
    for vector in load(data.vectors_folder()):
        if vector.role != "unpack" or "error" not in vector.outcome:
            continue
        await _unpacked(harness, vector.give["in"])
        answer = await _unpacked(harness, text)
        if answer != {"port": port, "key": key}:
            harness.fail("delivered", f"{answer} after {vector.give['in']!r}", f"port {port} and key {key}", "altered")
        harness.forget()


@case("address.form/a-shorter-one-after-each", "address", "the end of a longer address stays in the buffer",
      is_hostile=False)  # fmt: skip
async def a_shorter_one_after_each(harness: Harness) -> None:
    for port, size in zip(
        (65535, 13600, 6553, 655, 65, 6, 1, 1, 1, 1), (48, 24, 16, 12, 8, 6, 4, 3, 2, 1), strict=True
    ):
        key = bytes(range(size))
        answer = await row(harness, {"op": "pack", "port": port, "key": key.hex()})
        wanted = ".".join([str(port), *(f"{octet:02x}" for octet in key)])
        if answer != {"address": wanted}:
            harness.fail("delivered", str(answer), wanted, "altered")


@case("address.pack-reject/port-of-more-than-32-bits", "address", "32 bits of the port are looked at", is_hostile=False)
async def port_of_more_than_32_bits(harness: Harness) -> None:
    for bits in (32, 48, 62):
        for port in (13600 + (1 << bits), 13600 - (1 << bits)):
            answer = await row(harness, {"op": "pack", "port": port, "key": "2a"})
            if answer.get("error") not in ("invalid-port", "error"):
                harness.fail("delivered", f"{answer} for port {port}", "invalid-port", "accepts")
