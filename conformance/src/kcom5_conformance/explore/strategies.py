"""Scripts for Hypothesis: half are valid conversations, and all probe boundaries. The simplest choice comes first.

A draw of Hypothesis costs a tenth of a millisecond, so a script needs only five. These are its kind, a message, data,
its cuts, and a number that decides the details. Parameters outside the conversation are a `Circumstance`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from hypothesis import strategies as st

from .script import MAGIC, Octets, Script, Step

_T = TypeVar("_T")

WELL_FORMED = (
    b"",
    b"hi",
    b"a\n",
    b" a ",
    b"\0",
    b"a\0b",
    b"\xef\xbb\xbfa",
    b"\r\n",
    b"a\rb\r",
    b"\xc2\x85",
    b"\xe2\x80\xa8\t",
    b"\x7f",
    b"\xc2\x80",
    b"\xdf\xbf",
    b"\xe0\xa0\x80",
    b"\xed\x9f\xbf",
    b"\xee\x80\x80",
    b"\xef\xbf\xbf",
    b"\xf0\x90\x80\x80",
    b"\xf4\x8f\xbf\xbf",
    "\u4f60\u597d, na\u00efve \U0001f600".encode(),
    b"\\n\"'%s{}",
    b"\xef\xbf\xbd",
    b"\x1b[31m",
)
ILL_FORMED = (
    b"\xff",
    b"\x80",
    b"\xbf",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xc2",
    b"\xc2\x41",
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xe2\x82",
    b"\xe2\x82\x41",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xed\xa0\x81\xed\xb0\x80",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x9f\x98",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfc\x84\x80\x80\x80\x80",
    b"\xfe\xff",
)
PADS = (
    *(0, 1, 2, 3, 4, 7, 8, 127, 128, 250, 251, 252, 253, 254, 255, 256, 257, 1023, 1024, 4095, 4096, 16383),
    *(65533, 65534, 65535, 65536, 65537),
)
SIZES = (0, 1, 2, 3, 8, 127, 128, 251, 252, 255, 256, 257, 1023, 1024, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 16384,
         16385, 32767, 32768, 36864, 61440, 65535, 65536, 65537, 131072, 131073, 196608, 262144, 262145)  # fmt: skip
LARGE = (524288, 1 << 20, (1 << 20) + 1, (2 << 20) - 1, (8 << 20) + 4096)
HUGE = 16 << 20
"""Bytes that no kernel buffers for a client that does not read."""
FLOOD = 8 << 20
"""Bytes that a kernel rarely buffers for a server that does not read."""
QUEUED = 1 << 19
"""Bytes that a server's kernel takes, and that of a client that does not read takes only in part."""
FILLS = ("counter251", "00", "0a", "ff", "0d0a", "6100", "1a", "00ff")
DECLARED = (
    *(1, 2, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 65537, (1 << 24) - 1, 1 << 24, (1 << 31) - 1, 1 << 31),
    *((1 << 32) - 1, 1 << 32, (1 << 32) + 1, (1 << 32) + 256, 1 << 52, (1 << 53) + 1, 1 << 62, (1 << 63) - 1, 1 << 63),
    (1 << 64) - 1,
)
NONCES = (b"\xaa\xbb\xcc", b"\0\0\0", b"\xff\xff\xff", b"\n\r\0", b"\r\n\r", b"KCO", b"\x80\x81\xfe", b" \t ", b"\0ab")
FOREIGN = (
    *(b"GET / HTTP/1.1\r\n\r\n", b"KCOM5abc / HTTP/1.1\r\nHost: x\r\n\r\n", b"kcom5\xaa\xbb\xcc"),
    *(b"KCOM4\xaa\xbb\xcc", bytes(8), b"MCOK5abc", b"\x16\x03\x01\x02\x00\x01\x00\x01", b"5MOCKabc", b" KCOM5ab"),
)

CUTS: tuple[tuple[int, ...], ...] = (
    *((),) * 24,
    *((at,) for at in range(1, 25)),
    *((-at,) for at in range(1, 4)),
    (1, 2, 3, 4, 5, 6, 7),
    (5, 8),
    (8, 12),
    (9, 13),
    (7, 11, 20),
    (12, 16, 20),
    (100,),
    (1000, 5000),
    (4096,),
    (65535, 65536),
)
"""Offsets; negative ones count from the end."""

SERVER_PORTS = (65536, -1, 65537, 79136, 131072, 1 << 31, 1 << 32, -(1 << 31))
CLIENT_PORTS = (0, *SERVER_PORTS)
"""Invalid ports, some of which look valid when truncated to 16 bits."""
CLIENT_KINDS = ("valid",) * 8 + ("end", "over", "ill-formed", "surplus", "echo", "declared", "reset", "absent")
CLIENT_TIMED = ("stall", "stall", "drip-echo", "drip-frame", "never", "late", "full", "long", "long-never")
SERVER_KINDS = ("valid",) * 8 + ("half-close", "extra", "reset", "reject", "eof", "alone", "leave", "usage")
SERVER_TIMED = (
    "silent",
    "drip",
    "drip",
    "confirm",
    "talk",
    "unread",
    "queued",
    "slow",
    "never",
    "nobody",
    "long",
    "long-unread",
    "long-never",
)

LONG_BOUND = 10
"""T in seconds whose pauses are longer than the limits that programs set of their own accord."""
NO_BOUNDS = (0, -1, -(1 << 31), 4294968)
"""T that never passes while a script is played. In 32 bits of milliseconds the last one is less than a second."""


@dataclass(frozen=True)
class Circumstance:
    """Parameters that do not change the outcome of a conversation."""

    via: str = "tcp6"
    close: int = 30
    before: str | None = None
    in_file: bool = False


_BOUNDS = (150, 0, -1, -(1 << 31), (1 << 31) - 1, 86400, 2147483, 2147484, 4294967, 4294968, 1 << 24)


def circumstance(chooser: random.Random, supports: frozenset[str]) -> Circumstance:
    """Chooses circumstances that the implementation supports."""
    via = chooser.choice([via for via in ("tcp6", "tcp4", "unix") if via in supports])
    close = chooser.choice(_BOUNDS) if chooser.random() < 0.3 else 30
    before = chooser.choice((None, "", "old")) if "message" in supports else None
    return Circumstance(via, close, before, "file" in supports and chooser.random() < 0.2)


def under(script: Script, case: Circumstance) -> Script:
    """Returns the script in these circumstances, as far as they apply."""
    # Keeps parameters that the script tests: its own bound, and data that must not be in a file.
    close = case.close if script.close == 30 and not script.is_timed else script.close
    in_file = case.in_file and script.data.size <= 1 << 20
    via = "tcp4" if script.port is not None and case.via == "unix" else case.via
    return replace(script, via=via, close=close, before=case.before if script.role == "client" else None,
                   in_file=in_file)  # fmt: skip


class _Detail:
    """A number whose digits make the decisions."""

    def __init__(self, number: int) -> None:
        self._left = number

    def pick(self, options: Sequence[_T]) -> _T:
        self._left, at = divmod(self._left, len(options))
        return options[at]


def _scripts(role: str, kinds: tuple[str, ...]) -> st.SearchStrategy[Script]:
    message = st.sampled_from(_MESSAGES)
    data = st.sampled_from([Octets(size, fill) for size in SIZES for fill in FILLS if size <= 4097 or len(fill) != 4])
    build = _client if role == "client" else _server
    parts = st.tuples(st.sampled_from(kinds), message, data, st.sampled_from(CUTS), st.integers(0, (1 << 20) - 1))
    return parts.map(lambda drawn: build(*drawn[:4], _Detail(drawn[4])))


_MESSAGES = tuple(
    [(0, number, b"") for number in range(24)]
    + [(pad, number, end) for end in (b"", b"b", b"\n") for pad in PADS for number in (1, *range(0, 24, 3))]
)
"""A pad, the number of a class, and the rest."""


def _message(drawn: tuple[int, int, bytes], kinds: tuple[bytes, ...]) -> bytes:
    pad, number, end = drawn
    return b"a" * pad + kinds[number % len(kinds)] + end


# ---- for a client under test: the suite is the server


def _client(kind: str, drawn: tuple[int, int, bytes], data: Octets, cut: tuple[int, ...], detail: _Detail) -> Script:
    message = _message(drawn, ILL_FORMED if kind == "ill-formed" else WELL_FORMED)
    if kind == "valid" and detail.pick(range(40)) == 39:
        data = Octets(detail.pick(LARGE), _by_rule(data.fill))
    if kind == "drip-frame":
        data = Octets(min(data.size, 1000), data.fill)
    head = bytes(8) + len(message).to_bytes(4, "little") + message + data.size.to_bytes(8, "little")
    limits: tuple[int | None, int | None] = (None, None)
    bound = 30
    port = None
    if kind == "absent":
        port = detail.pick((None, None, None, *CLIENT_PORTS))
        steps: tuple[Step, ...] = (("nobody",),) if port is None else ()
    elif kind == "full":
        steps, bound = (("full",),), 1
    elif kind == "echo":
        steps = _wrong_echo(head, detail)
    elif kind == "declared":
        steps, limits = _declared(message, detail)
    elif kind in CLIENT_TIMED:
        steps = _timed_client(kind, head, data, detail)
        bound = _bound(kind, detail)
    elif kind in ("end", "reset"):
        whole = head + data.make()
        at = detail.pick(_borders(message, len(whole) - 1))
        end = "reset" if kind == "reset" else detail.pick(("close", "half-close"))
        steps = (*_cut(whole[:at], cut), *detail.pick(((), (("pause", "tick"),))), (end,))
        if detail.pick((False, False, False, True)):
            steps = ("unread",), (end,)
    else:
        limits = _limits(kind, len(message), data.size, detail)
        body: tuple[Step, ...] = (("fill", data.size, data.fill),) if data.size > 70000 else ()
        steps = (*_cut(head if body else head + data.make(), cut), *body)
        if kind == "ill-formed" and detail.pick((False, True)):  # it is refused before the data arrives
            steps = (*_cut(head[: len(head) - detail.pick((8, 7, 0))], cut), ("pause", "tick"), ("close",))
        elif kind == "surplus":
            steps += (("send", detail.pick((b"\0", b"\r\n", b"KCOM5", bytes(300), b"\xff" * 5000))),)
        elif kind == "valid":
            steps += detail.pick(((), (), (("half-close",),), (("close",),)))
    return Script("client", "tcp6", steps, bound, limits=limits, port=port)


def _limits(kind: str, message: int, data: int, detail: _Detail) -> tuple[int | None, int | None]:
    """Returns limits that the frame just meets; for the kind `over` it exceeds one of them."""
    far = detail.pick((None, (1 << 32) - 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1))
    if kind == "over" and message + data > 0:
        in_message = message > 0 and (data == 0 or detail.pick((True, False)))
        return (message - 1, far) if in_message else (far, data - 1)
    none = (None, None)
    edges = ((message, far), (far, data), (message, data), (far, None), (message + 1, data + 1))
    return detail.pick((none, none, none, *edges))


def _borders(message: bytes, most: int) -> list[int]:
    """Returns the offsets at and next to the borders of fields, in ascending order."""
    found = set(range(min(13, most + 1)))
    for border in (12, 12 + len(message), 20 + len(message)):
        found |= {at for at in (border - 1, border, border + 1) if 0 <= at <= most}
    return sorted(found | {most})


def _cut(octets: bytes, cut: tuple[int, ...], between: tuple[Step, ...] = (("pause", "tick"),)) -> tuple[Step, ...]:
    """Sends in pieces with a tick between them."""
    size = len(octets)
    cuts = sorted({at if at >= 0 else size + at for at in cut if 0 < (at if at >= 0 else size + at) < size} | {0})
    steps: list[Step] = []
    for start, end in zip(cuts, [*cuts[1:], size], strict=True):
        steps += [("send", octets[start:end]), *between]
    return tuple(steps[: len(steps) - len(between)]) if octets else ()


def _wrong_echo(head: bytes, detail: _Detail) -> tuple[Step, ...]:
    """Changes one byte of the echo."""
    at = detail.pick(range(8))
    wrong = bytes(at) + bytes([detail.pick((1, 0x20, 0x80, 0xFF))]) + head[at + 1 :]
    sent = wrong[: detail.pick((len(wrong), max(8, at + 1), at + 1))]
    return ("send", sent), *detail.pick(((), (("close",),)))


def _declared(message: bytes, detail: _Detail) -> tuple[tuple[Step, ...], tuple[int | None, int | None]]:
    """Declares a length, which the limit may just allow or not, and does not send the bytes."""
    size = detail.pick(DECLARED)
    is_data = detail.pick((False, True))
    if is_data:
        head = bytes(8) + len(message).to_bytes(4, "little") + message + size.to_bytes(8, "little")
    else:
        size = size & 0xFFFFFFFF or 1
        head = bytes(8) + size.to_bytes(4, "little")
    some = detail.pick((b"", b"a", b"ab" * 500))[: size - 1]
    limit = detail.pick((None, None, size - 1, size))
    limits = (None, limit) if is_data else (limit, None)
    return (("send", head), *((("send", some),) if some else ()), ("pause", "tick"), ("close",)), limits


def _bound(kind: str, detail: _Detail) -> int:
    """Returns T for a script that waits for parts of it."""
    return detail.pick(NO_BOUNDS) if kind.endswith("never") else LONG_BOUND if kind.startswith("long") else 1


def _long(kind: str) -> tuple[Step, ...]:
    """Waits six seconds: for most of T, or without a limit."""
    return (("pause", "most"),) * (10 if kind == "long-never" else 1)


def _timed_client(kind: str, head: bytes, data: Octets, detail: _Detail) -> tuple[Step, ...]:
    """Adds pauses of 0.6 T. Two of them exceed T, unless a byte of the frame arrives between them.

    What comes after two of them may still count (`time.late`). With T = 1 four exceed T + 1 s (`time.prompt`).
    """
    pause: Step = ("pause", "most")
    whole = head + data.make() if data.size <= 1000 else head
    tail: tuple[Step, ...] = () if data.size <= 1000 else (("fill", data.size, data.fill),)
    cut = min(detail.pick((1, 8, 7, 9, 11, 12, 13, max(14, len(head) - 1), len(head))), len(whole) - 1)
    rest: tuple[Step, ...] = ("send", whole[cut:]), *tail
    if kind == "stall":
        some: tuple[Step, ...] = (("send", whole[:cut]),) if detail.pick((True, True, False)) else ()
        rest = rest if some else (("send", whole), *tail)
        ends = (rest, (("close",),), (("half-close",),), (("reset",),))
        late = tuple((*pauses, *end) for pauses in ((pause,) * 2, (pause,) * 4) for end in ends)
        return (*some, *detail.pick(((("stall",),),) * len(late) + late))
    if kind == "drip-echo":
        return *_cut(whole, (2, 4, 6, 7), (pause,)), *tail
    if kind == "late":
        return pause, ("send", whole[:cut]), pause, *rest
    if kind == "never":
        return ("send", whole[:cut]), pause, pause, *rest
    if kind.startswith("long"):
        return ("send", whole[:cut]), *_long(kind), *rest
    middle = detail.pick((9, 13, len(head) - 3, len(head) + 1))  # two pauses in a length, the message or the data
    last = min(len(whole) - 1, middle + 1)
    steps: list[Step] = []
    for piece in filter(None, (whole[:8], whole[8:middle], whole[middle:last], whole[last:])):
        steps += [("send", piece), pause]
    return (*steps[:-1], *tail)


# ---- for a server under test: the suite is the client

_WHOLE: tuple[Step, ...] = (("read", -1), ("end",))


def _server(kind: str, drawn: tuple[int, int, bytes], data: Octets, cut: tuple[int, ...], detail: _Detail) -> Script:
    message = _message(drawn, ILL_FORMED if kind == "usage" else WELL_FORMED)
    hello = MAGIC + detail.pick(NONCES)
    if kind in ("unread", "queued", "slow", "long-unread"):
        data = Octets(QUEUED if kind == "queued" else HUGE, data.fill if len(data.fill) == 2 else "00")
    elif kind in SERVER_TIMED:
        message, data = message[:3], Octets(min(data.size, 40000), data.fill)
    elif kind == "valid" and detail.pick(range(40)) == 39:
        data = Octets(detail.pick(LARGE), _by_rule(data.fill))
    whole = 20 + len(message) + data.size
    is_timed = kind in SERVER_TIMED
    if is_timed:
        message = message if _is_text(message) else b"hi"
    bound = _bound(kind, detail) if is_timed else 30
    steps = _timed_server(kind, hello, detail) if is_timed else _server_steps(kind, hello, whole, cut, detail)
    if any(step[0] == "fill" for step in steps):
        bound = 2  # the server has to read it within T
    port = detail.pick((None, *SERVER_PORTS)) if kind == "usage" else None
    return Script("server", "tcp6", steps, bound, message, data, port=port)


def _by_rule(fill: str) -> str:
    """Returns a fill that a request can write by its rule, because long data is not written out."""
    return fill if fill == "counter251" or len(fill) == 2 else "0a"


def _is_text(message: bytes) -> bool:
    return message.decode(errors="replace").encode() == message


def _server_steps(kind: str, hello: bytes, whole: int, cut: tuple[int, ...], detail: _Detail) -> tuple[Step, ...]:
    if kind == "usage":
        return ()
    if kind == "eof":
        sent = _cut(hello[: detail.pick(range(8))], cut)
        return (*sent, *detail.pick(((), (("nothing",),))), (detail.pick(("close", "half-close", "reset")),))
    if kind == "reject":
        at, mask = detail.pick(range(5)), detail.pick((1, 0x20, 0x80))
        flipped = hello[:at] + bytes([hello[at] ^ mask]) + hello[at + 1 :]
        wrong = detail.pick((flipped, flipped, *FOREIGN))
        if wrong.startswith(MAGIC):
            return ("send", wrong), *_WHOLE, ("close",)
        return (*_cut(wrong[:8], cut), *((("send", wrong[8:]),) if wrong[8:] else ()))
    if kind == "alone":
        more = detail.pick((b"\0", b"\n", b"\r\n", b" / HTTP/1.1\r\n\r\n", hello, bytes(100)))
        return ("send", hello + more), *_WHOLE, ("close",)
    start = _cut(hello, cut)
    if kind == "half-close":
        return (*start, ("half-close",), *_WHOLE, ("close",))
    if kind == "extra":
        extra: Step = ("send", detail.pick((b"x", bytes(100), b"\r\n", hello, bytes(5000))))
        return (*start, *detail.pick(((("read", 8), extra, ("read", -1)), (("read", -1), extra))), ("end",), ("close",))
    if kind == "reset":
        return (*start, *detail.pick((_WHOLE, (("read", 8),), ())), ("reset",))
    if kind == "leave":
        count = detail.pick((whole + 8, max(8, whole - 1), 0, 7, 8, 9, 12))
        return (*start, *((("read", count),) if count else ()), ("close",))
    late: tuple[Step, ...] = (("late",),) if detail.pick(range(8)) == 7 else ()
    return (*late, *start, *(_WHOLE[: detail.pick((2, 2, 1))]), ("close",))


def _timed_server(kind: str, hello: bytes, detail: _Detail) -> tuple[Step, ...]:
    pause: Step = ("pause", "most")
    start: Step = ("send", hello)
    cut = detail.pick((4, 1, 5, 7))
    if kind == "nobody":
        return *(pause,) * detail.pick((2, 4)), ("connect",), start, *_WHOLE, ("close",)
    if kind == "silent":
        wrong = bytes([hello[0] ^ 1]) + hello[1:cut]
        return (*detail.pick(((), (("send", hello[:cut]),), (("send", wrong),))), ("stall",))
    if kind == "drip":
        if detail.pick((False, True)):
            return pause, ("connect",), pause, start, *_WHOLE, ("close",)
        return *_cut(hello, detail.pick(((2, 4, 6, 7), (2, 7))), (pause,)), *_WHOLE, ("close",)
    if kind == "confirm":
        late = tuple((*_WHOLE, pause, pause, (end,)) for end in ("close", "half-close", "reset"))
        keeps = ("read", detail.pick((8, 9, 100))), ("stall",), *_WHOLE
        return start, *detail.pick(((*_WHOLE, ("stall",)), (*_WHOLE, pause, ("close",)), *late, keeps))
    if kind == "talk":
        return start, *_WHOLE, *(pause, ("send", b"x")) * 3, pause, ("close",)
    if kind in ("long", "long-never"):
        long, whole = _long(kind), (start, *_WHOLE)
        partly = ("send", hello[:cut]), *long, ("send", hello[cut:]), *_WHOLE
        return *detail.pick((partly, (*long, ("connect",), *whole), (*whole, *long))), ("close",)
    if kind == "long-unread":
        return start, ("read", 100), pause, *_WHOLE, ("close",)
    if kind == "never":
        return detail.pick(
            (
                (start, *_WHOLE, pause, pause, ("close",)),
                (("send", hello[:cut]), pause, pause, ("send", hello[cut:]), *_WHOLE, ("close",)),
                (pause, pause, ("connect",), start, *_WHOLE, ("close",)),
            )
        )
    if kind == "queued":
        return start, ("read", 100), *detail.pick(((), (("half-close",),))), ("stall",)
    if kind == "unread":
        talk: tuple[Step, ...] = detail.pick(((), (*(pause, ("send", b"x")) * 3, pause)))
        leave: tuple[Step, ...] = (*talk, detail.pick((("stall",), ("close",), ("reset",))))
        flood: tuple[Step, ...] = (("fill", FLOOD, "00"), *_WHOLE, pause, ("close",))
        used_up: tuple[Step, ...] = (("half-close",), pause, *_WHOLE, ("close",))
        return start, ("read", 100), *detail.pick((leave, leave, flood, used_up))
    return start, *[step for _ in range(4) for step in (("read", 3 << 18), pause)], *_WHOLE, ("close",)


STRATEGIES: dict[tuple[str, bool], st.SearchStrategy[Script]] = {
    ("client", False): _scripts("client", CLIENT_KINDS),
    ("client", True): _scripts("client", CLIENT_TIMED),
    ("server", False): _scripts("server", SERVER_KINDS),
    ("server", True): _scripts("server", SERVER_TIMED),
}
"""Strategies by role, and by whether the script waits for parts of T."""
