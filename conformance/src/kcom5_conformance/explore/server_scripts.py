"""Scripts for a server under test: the suite is the client."""

from __future__ import annotations

from .details import Detail, bound_of, by_rule, cut_up, long_pauses, message_of
from .edges import FLOOD, FOREIGN, HUGE, ILL_FORMED, LARGE, NONCES, QUEUED, SERVER_PORTS, WELL_FORMED
from .script import MAGIC, Octets, Script, Step

KINDS = ("valid",) * 8 + ("half-close", "extra", "reset", "reject", "eof", "alone", "leave", "usage")
TIMED = (
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

_WHOLE: tuple[Step, ...] = (("read", -1), ("end",))


def script_of(kind: str, drawn: tuple[int, int, bytes], data: Octets, cut: tuple[int, ...], detail: Detail) -> Script:
    message = message_of(drawn, ILL_FORMED if kind == "usage" else WELL_FORMED)
    hello = MAGIC + detail.pick(NONCES)
    if kind in ("unread", "queued", "slow", "long-unread"):
        data = Octets(QUEUED if kind == "queued" else HUGE, data.fill if len(data.fill) == 2 else "00")
    elif kind in TIMED:
        message, data = message[:3], Octets(min(data.size, 40000), data.fill)
    elif kind == "valid" and detail.pick(range(40)) == 39:
        data = Octets(detail.pick(LARGE), by_rule(data.fill))
    whole = 20 + len(message) + data.size
    is_timed = kind in TIMED
    if is_timed:
        message = message if _is_text(message) else b"hi"
    bound = bound_of(kind, detail) if is_timed else 30
    steps = _timed_server(kind, hello, detail) if is_timed else _server_steps(kind, hello, whole, cut, detail)
    if any(step[0] == "fill" for step in steps):
        bound = 2  # the server has to read it within T
    port = detail.pick((None, *SERVER_PORTS)) if kind == "usage" else None
    return Script("server", "tcp6", steps, bound, message, data, port=port)


def _is_text(message: bytes) -> bool:
    return message.decode(errors="replace").encode() == message


def _server_steps(kind: str, hello: bytes, whole: int, cut: tuple[int, ...], detail: Detail) -> tuple[Step, ...]:
    if kind == "usage":
        return ()
    if kind == "eof":
        sent = cut_up(hello[: detail.pick(range(8))], cut)
        return (*sent, *detail.pick(((), (("nothing",),))), (detail.pick(("close", "half-close", "reset")),))
    if kind == "reject":
        at, mask = detail.pick(range(5)), detail.pick((1, 0x20, 0x80))
        flipped = hello[:at] + bytes([hello[at] ^ mask]) + hello[at + 1 :]
        wrong = detail.pick((flipped, flipped, *FOREIGN))
        if wrong.startswith(MAGIC):
            return ("send", wrong), *_WHOLE, ("close",)
        return (*cut_up(wrong[:8], cut), *((("send", wrong[8:]),) if wrong[8:] else ()))
    if kind == "alone":
        more = detail.pick((b"\0", b"\n", b"\r\n", b" / HTTP/1.1\r\n\r\n", hello, bytes(100)))
        return ("send", hello + more), *_WHOLE, ("close",)
    start = cut_up(hello, cut)
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


def _timed_server(kind: str, hello: bytes, detail: Detail) -> tuple[Step, ...]:
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
        return *cut_up(hello, detail.pick(((2, 4, 6, 7), (2, 7))), (pause,)), *_WHOLE, ("close",)
    if kind == "confirm":
        late = tuple((*_WHOLE, pause, pause, (end,)) for end in ("close", "half-close", "reset"))
        keeps = ("read", detail.pick((8, 9, 100))), ("stall",), *_WHOLE
        slow = ("send", hello[:cut]), pause, ("send", hello[cut:]), *_WHOLE
        own = start, *_WHOLE
        ends = ((*own, ("stall",)), (*own, pause, ("close",)), (*slow, ("stall",)), (*slow, pause, ("close",)))
        return detail.pick((*ends, *((start, *late_end) for late_end in late), (start, *keeps)))
    if kind == "talk":
        return start, *_WHOLE, *(pause, ("send", b"x")) * 3, pause, ("close",)
    if kind in ("long", "long-never"):
        long, whole = long_pauses(kind), (start, *_WHOLE)
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
        leave = (*talk, *detail.pick(((("stall",),), (("close",),), (("reset",),), (("half-close",), ("stall",)))))
        flood: tuple[Step, ...] = (("fill", FLOOD, "00"), *_WHOLE, pause, ("close",))
        used_up: tuple[Step, ...] = (("half-close",), pause, *_WHOLE, ("close",))
        return start, ("read", 100), *detail.pick((leave, leave, flood, used_up))
    end: tuple[Step, ...] = detail.pick(((), (("half-close",),)))
    return start, *end, *[step for _ in range(4) for step in (("read", 3 << 18), pause)], *_WHOLE, ("close",)
