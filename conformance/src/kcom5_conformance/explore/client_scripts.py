"""Scripts for a client under test: the suite is the server."""

from __future__ import annotations

from .details import Detail, bound_of, by_rule, cut_up, long_pauses, message_of
from .edges import CLIENT_PORTS, DECLARED, ILL_FORMED, LARGE, WELL_FORMED
from .script import Octets, Script, Step

KINDS = ("valid",) * 8 + ("end", "over", "ill-formed", "surplus", "echo", "declared", "reset", "absent")
TIMED = ("stall", "stall", "drip-echo", "drip-frame", "never", "late", "full", "long", "long-full", "long-never")


def script_of(kind: str, drawn: tuple[int, int, bytes], data: Octets, cut: tuple[int, ...], detail: Detail) -> Script:
    message = message_of(drawn, ILL_FORMED if kind == "ill-formed" else WELL_FORMED)
    if kind == "valid" and detail.pick(range(40)) == 39:
        data = Octets(detail.pick(LARGE), by_rule(data.fill))
    if kind == "drip-frame":
        data = Octets(min(data.size, 1000), data.fill)
    head = bytes(8) + len(message).to_bytes(4, "little") + message + data.size.to_bytes(8, "little")
    limits: tuple[int | None, int | None] = (None, None)
    bound = 30
    port = None
    if kind == "absent":
        port = detail.pick((None, None, None, *CLIENT_PORTS))
        steps: tuple[Step, ...] = (("nobody",),) if port is None else ()
    elif kind.endswith("full"):
        steps, bound = (("full",),), bound_of(kind, detail)
    elif kind == "echo":
        steps = _wrong_echo(head, detail)
    elif kind == "declared":
        steps, limits = _declared(message, detail)
    elif kind in TIMED:
        steps = _timed_client(kind, head, data, detail)
        bound = bound_of(kind, detail)
    elif kind in ("end", "reset"):
        whole = head + data.make()
        at = detail.pick(_borders(message, len(whole) - 1))
        end = "reset" if kind == "reset" else detail.pick(("close", "half-close"))
        steps = (*cut_up(whole[:at], cut), *detail.pick(((), (("pause", "tick"),))), (end,))
        if detail.pick((False, False, False, True)):
            steps = ("unread",), (end,)
    else:
        limits = _limits(kind, len(message), data.size, detail)
        body: tuple[Step, ...] = (("fill", data.size, data.fill),) if data.size > 70000 else ()
        steps = (*cut_up(head if body else head + data.make(), cut), *body)
        if kind == "ill-formed" and detail.pick((False, True)):  # it is refused before the data arrives
            steps = (*cut_up(head[: len(head) - detail.pick((8, 7, 0))], cut), ("pause", "tick"), ("close",))
        elif kind == "surplus":
            steps += (("send", detail.pick((b"\0", b"\r\n", b"KCOM5", bytes(300), b"\xff" * 5000))),)
        elif kind == "valid":
            steps += detail.pick(((), (), (("half-close",),), (("close",),)))
    return Script("client", "tcp6", steps, bound, limits=limits, port=port)


def _limits(kind: str, message: int, data: int, detail: Detail) -> tuple[int | None, int | None]:
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


def _wrong_echo(head: bytes, detail: Detail) -> tuple[Step, ...]:
    """Changes one byte of the echo."""
    at = detail.pick(range(8))
    wrong = bytes(at) + bytes([detail.pick((1, 0x20, 0x80, 0xFF))]) + head[at + 1 :]
    sent = wrong[: detail.pick((len(wrong), max(8, at + 1), at + 1))]
    return ("send", sent), *detail.pick(((), (("close",),)))


def _declared(message: bytes, detail: Detail) -> tuple[tuple[Step, ...], tuple[int | None, int | None]]:
    """Declares a length, which the limit may just allow or not, and does not send the bytes."""
    size = detail.pick(DECLARED)
    is_data = detail.pick((False, True))
    if is_data:
        head = bytes(8) + len(message).to_bytes(4, "little") + message + size.to_bytes(8, "little")
    else:
        size = size & 0xFFFFFFFF or 1
        head = bytes(8) + size.to_bytes(4, "little")
    some = detail.pick((b"", b"a", b"ab" * 500))[: size - 1]
    limit, other = detail.pick((None, None, size - 1, size)), detail.pick((None, None, 1 << 20))
    limits = (other, limit) if is_data else (limit, other)
    return (("send", head), *((("send", some),) if some else ()), ("pause", "tick"), ("close",)), limits


def _timed_client(kind: str, head: bytes, data: Octets, detail: Detail) -> tuple[Step, ...]:
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
        first = (pause,) if cut in (7, 8, 9) else ()  # then five of its octets are there within T
        return *first, *cut_up(whole, (5, 6, 7) if first else (2, 4, 6, 7), (pause,)), *tail
    if kind == "late":
        return pause, ("send", whole[:cut]), pause, *rest
    if kind == "never":
        return ("send", whole[:cut]), pause, pause, *rest
    if kind.startswith("long"):
        return ("send", whole[:cut]), *long_pauses(kind), *rest
    middle = detail.pick((9, 13, len(head) - 3, len(head) + 1))  # two pauses in a length, the message or the data
    last = min(len(whole) - 1, middle + 1)
    steps: list[Step] = []
    for piece in filter(None, (whole[:8], whole[8:middle], whole[middle:last], whole[last:])):
        steps += [("send", piece), pause]
    return (*steps[:-1], *tail)
