"""Tests of causes by conduct. Each cause has wrong peers that show it, and others with a similar failure that do not.

A situation is a ladder in one line, named after a mutant in which it is seen if there is one. `T=1` is the
timeout, `big` at the start an exchange with more data; `listen` and `ask` are requests to a server and to a client.
`>8`: the suite sends bytes up to the eighth of a right exchange; `<25`: the implementation does. `end>` and `reset>`:
the suite ends; `<end` and `<reset`: the implementation does. `wait=2` takes seconds, `ok` and `err=NAME` are answers,
and with `up` the suite gives up.
"""

from __future__ import annotations

import ast
import inspect
import json
from collections import Counter
from dataclasses import dataclass

import pytest

from kcom5_conformance.report import causes, conduct, likely, outcome
from kcom5_conformance.results import Axis, Event, Json, Problem, Result, Role, Verdict

HELLO = b"KCOM5\xaa\xbb\xcc"
STREAM = HELLO + b"\2\0\0\0hi" + (3).to_bytes(8, "little") + b"\0\1\2"
DECLARED = HELLO + b"\2\0\0\0hi" + (900).to_bytes(8, "little") + bytes(range(250)) * 3
WORDS = {
    "magic": b"GET / HT",
    "lower": b"kcom5\xaa\xbb\xcc",
    "part": b"KCOM4\xaa\xbb\xcc",
    "nul": b"KCOM5\xaa\x00\xcc",
    "high": b"KCOM5\x61\xbb\x62",
    "over": HELLO + b"\xff\xff\xff\x7f",
    "malformed": HELLO + b"\1\0\0\0\xff",
    "empty": HELLO + bytes(4) + (3).to_bytes(8, "little") + b"\0\1\2",
    "none": HELLO + bytes(12),
    "bad": b"GET",
    "nul-byte": HELLO + b"\0",
    "newline": HELLO + b"\n",
    "other": b"KCOM5\x11\x22\x33",
    "huge": HELLO + bytes(4) + b"\xff" * 8,
    "half": HELLO + bytes(11) + b"\x80",
    "large": HELLO + bytes(10) + b"\1\0",
}
TOO_LONG = {"4-gib": 1 << 32, "more": (1 << 32) + 7}
PROGRAMS = {
    "method": "curl -sS -m 5 -X KCOM5abc http://127.0.0.1:1/",
    "curl": "curl -sS -m 5 http://127.0.0.1:1/",
}


@dataclass(frozen=True)
class Situation:
    """What was seen of a peer, and the expected cause."""

    peer: str
    role: str
    saw: str
    steps: str
    cause: str
    expected: str = ""
    got: str = ""
    message: str = "hi"
    stderr: str = ""

    @property
    def result(self) -> Result:
        return _Ladder(self).result

    @property
    def told(self) -> str:
        ladder = _Ladder(self)
        return causes.cause_of(ladder.result, ladder.answer)


class _Ladder:
    """The result of a situation."""

    def __init__(self, situation: Situation) -> None:
        self.situation = situation
        self.events: list[Event] = []
        self.at, self.close = 0.0, 30
        self.answer: Json = {}
        self.sent = self.got = 0
        self.streams = {"suite": b"", "implementation": b""}
        for step in situation.steps.split():
            self.at += 0.001
            self.step(step)
        stream = self.streams["implementation"].hex()
        wanted = DECLARED if situation.steps.startswith("big") else STREAM
        problem = Problem(
            "frame.order",
            "MUST",
            "delivered" if situation.saw == "delivered" else "ended",
            situation.got or "something",
            situation.expected or "another thing",
            stream,
            wanted.hex() if situation.role == "server" and situation.saw in ("octets", "short", "silent") else "",
            self.got if situation.saw in ("short", "silent") else None,
            "" if situation.saw == "delivered" else situation.saw,  # type: ignore[arg-type]
        )
        role = situation.role
        self.result = Result("x/y@tcp6", "mine", "frame.order", "MUST", role, "tcp6", "", Verdict.FAIL)  # type: ignore[arg-type]
        self.result.problems, self.result.events = [problem], self.events
        self.result.stderr = situation.stderr

    def add(self, who: str, what: str, octets: bytes = b"", text: object = "") -> None:
        words = text if isinstance(text, str) else json.dumps(text)
        self.events.append(Event(self.at, who, what, octets.hex(), len(octets), words))  # type: ignore[arg-type]

    def octets(self, who: str, what: str) -> None:
        whole = DECLARED if self.situation.steps.startswith("big") else STREAM
        before = self.streams[who]
        if what in WORDS:
            octets = WORDS[what]
        elif what == "more":
            octets = b"x"
        else:
            octets = whole[len(before) : int(what)]
        self.streams[who] += octets
        self.add(who, "octets", octets)
        self.got += len(octets) if who == "implementation" else 0

    def step(self, step: str) -> None:
        name, _, value = step.partition("=")
        if step[0] in "<>" and step[1:] not in ("end", "reset"):
            self.octets("suite" if step[0] == ">" else "implementation", step[1:])
        elif step in ("end>", "reset>", "<end", "<reset"):
            self.add("suite" if step[-1] == ">" else "implementation", step.strip("<>"))
        elif name == "T":
            self.close = int(value)
        elif name == "wait":
            self.at += float(value)
        elif name in ("listen", "ask"):
            op = "send" if name == "listen" else "receive"
            message: Json | str = {"hex": self.situation.message} if self.situation.message != "hi" else "hi"
            if self.situation.message in TOO_LONG:
                message = {"size": TOO_LONG[self.situation.message], "fill": "00"}
            request: Json = {"op": op, "via": "tcp6", "close": self.close, "message": message}
            if value == "file":
                request |= {"data": {"file": "/x"}} if name == "listen" else {"to": {"file": "/x"}}
            elif value:
                request["port"] = 0 if value == "any" else int(value)
            self.add("suite", "request", text=request)
            if name == "listen":
                self.add("implementation", "answer", text={"listening": 1234})
        elif name == "row":
            self.add("suite", "request", text=json.loads(value))
            self.answer = {"port": 1}
        elif name in ("ok", "err"):
            self.answer = {"ok": True} if name == "ok" else {"error": value}
            if name == "ok" and self.situation.role == "client":
                self.answer |= {"message": value or "hi", "data": {"size": 3, "hex": "000102"}}
            self.add("implementation", "answer", text=self.answer)
        elif name == "runs":
            self.add("suite", "wait", text=f"runs {PROGRAMS[value]}")
        elif name == "up":
            self.add("suite", "wait", text="gives up after 1.0 s: the connection is still open")
        elif name == "connect":
            self.add("suite", "connect")


def seen(peer: str, role: str, saw: str, steps: str, cause: str, **more: str) -> Situation:
    """Returns the situation. `saw` is what was seen, or SEEN/EXPECTED."""
    saw, _, expected = saw.partition("/")
    return Situation(peer, role, saw, steps, cause, expected, **more)


def server(peer: str, saw: str, steps: str, cause: str, **more: str) -> Situation:
    return seen(peer, "server", saw, steps, cause, **more)


def client(peer: str, saw: str, steps: str, cause: str, **more: str) -> Situation:
    return seen(peer, "client", saw, steps, cause, **more)


def row(peer: str, request: str, cause: str) -> Situation:
    return Situation(peer, "address", "accepts", f"row={request}", cause)


ACCEPT, CONNECT = likely.NO_ACCEPT, likely.NO_CONNECT
ACCEPTED, ECHO, FRAME = likely.NO_HELLO, likely.NO_ECHO, likely.NO_FRAME
SEND, CLOSE = likely.NO_SEND, likely.NO_CLOSE
DRIPS, TALKS = likely.PIECES, likely.PROGRESS
LIMIT = likely.LATE_LIMIT
LATE_UTF8 = likely.LATE_UTF8
EARLY_END = "it reports success before the client has ended: it closes when the kernel has the last octet"
IGNORED = "it reports success though the wait for the client's end timed out"
NUL = "the hello is handled as a C string: it ends at a NUL among the three octets"
HANG_UP = "the client's half-close is taken for a hang-up"
OWN_WORDS = "it sends octets of its own: a greeting, or words about a wrong hello"
NOT_COMPARED = "the magic is not compared, or only after the echo was sent"
PARSER = "perhaps the language's number parser reads the port: it takes signs, spaces or other digits, too"
RANGE = "the port is not compared with 1 and 65535"
ONE_NAME = "no name, and for other failures invalid-connection"
SHORT_HELLO = "fewer than eight octets: part of the hello was not sent"
CUT_IS_IO = "a close within the frame is reported as io"
LEAVING_IS_IO = "a client that left without its end is reported as io"
STAYING_IS_TIMEOUT = "a client that does not end within T is reported as timeout"
NOBODY_IS_IO = "a place where nobody listens is reported as io"
ANY_CASE = "the magic is compared without regard to case"
PART_OF_IT = "only a part of the magic is compared"
NUL_AFTER_IT = "a trailing NUL: the hello is sent as a C string"
LINE_END_AFTER_IT = "a trailing newline: the hello is sent as a line"
THREAD = "a thread of an exchange never ends"
MEMORY = "memory of an exchange is never freed"
COUNT = "the number of groups is not checked: it has to divide 48"

SITUATIONS = [
    # It does not end.
    server("waits-for-ever-for-a-client", "hangs", "T=1 listen wait=2 up", ACCEPT),
    server("template-node", "hangs", "T=2 listen wait=7 up", ACCEPT),
    server("waits-for-ever-for-the-hello", "hangs", "T=1 listen connect wait=2 up", ACCEPTED),
    server("template-go", "hangs", "T=1 listen connect >7 wait=2 up", ACCEPTED),
    server("bound-per-call-at-the-server", "hangs", "T=1 listen connect >2 wait=0.6 >4 wait=0.6 >6 wait=0.5 up", DRIPS),
    server("bound-per-recv", "hangs", "T=1 listen connect >1 wait=0.9 >2 wait=0.9 up", DRIPS),
    server("waits-for-ever-for-the-reader", "hangs", "big T=1 listen connect >8 <500 wait=2 up", SEND),
    server("template-java", "hangs", "big T=1 listen connect >8 <18 wait=2 up", SEND),
    server("talk-extends-the-stall", "hangs", "T=1 listen connect >8 <12 >more wait=0.6 >more wait=0.6 up", TALKS),
    server("talk-extends-the-close", "hangs", "T=1 listen connect >8 <25 <end >more wait=0.6 >more wait=0.6 up", TALKS),
    server("waits-for-ever-for-the-close", "hangs", "T=1 listen connect >8 <25 <end wait=2 up", CLOSE),
    server("template-node", "hangs", "T=2 listen connect >8 <25 <end wait=7 up", CLOSE),
    server("reader-comes-late", "hangs", "T=1 listen connect >8 wait=2 up", likely.SEND_OR_CLOSE),
    server("template-node", "hangs", "T=2 listen connect >8 wait=7 up", likely.SEND_OR_CLOSE),
    server("close-in-the-hello-is-waited-out", "hangs", "listen connect >3 end> wait=5 up", likely.EOF_MISSED),
    server("recv-of-nothing-is-tried-again", "hangs", "T=1 listen connect >5 reset> wait=2 up", likely.EOF_MISSED),
    server("sends-ill-formed", "hangs", "T=1 listen wait=2 up", likely.UNCHECKED, message="ff"),
    server("waits-without-a-reason", "hangs", "listen wait=5 up", ""),
    client("waits-for-ever-for-a-connection", "hangs", "T=1 ask wait=2 up", CONNECT),
    client("template-node", "hangs", "T=2 ask wait=7 up", CONNECT),
    client("waits-for-ever-for-the-echo", "hangs", "T=1 ask connect <8 wait=2 up", ECHO),
    client("template-go", "hangs", "T=1 ask connect <8 >7 wait=2 up", ECHO),
    client("bound-per-call-at-the-client", "hangs", "T=1 ask connect <8 >2 wait=0.6 >4 wait=0.6 up", DRIPS),
    client("waits-for-ever-for-the-frame", "hangs", "T=1 ask connect <8 >15 wait=2 up", FRAME),
    client("template-node", "hangs", "big T=2 ask connect <8 >500 wait=7 up", FRAME),
    client("has-no-limits", "hangs", "ask connect <8 >over wait=5 up", LIMIT),
    client("limits-after-reading", "hangs", "T=1 ask connect <8 >over wait=0.5 up", FRAME),
    client("template-node", "open", "ask connect <8 >over wait=5 up", LIMIT),
    client("checks-utf8-at-the-end", "hangs", "ask connect <8 >malformed wait=5 up", LATE_UTF8),
    client("decodes-at-the-end", "open", "ask connect <8 >malformed wait=5 up", LATE_UTF8),
    client("big-endian-message-length-read", "hangs", "ask connect <8 >25 wait=5 up", likely.NEEDS_MORE),
    client("template-of-a-mainframe", "open", "ask connect <8 >25 wait=5 up", likely.NEEDS_MORE),
    client("big-endian-data-length-read", "hangs", "ask connect <8 >empty wait=5 up", likely.NEEDS_MORE),
    client("waits-for-the-end", "open", "ask connect <8 >empty wait=5 up", likely.NEEDS_MORE),
    client("wants-data", "open", "ask connect <8 >none wait=5 up", likely.NEEDS_MORE),
    client("waits-for-the-end", "hangs", "ask connect <8 >none wait=5 up", likely.NEEDS_MORE),
    client("truncated-is-waited-out", "hangs", "ask connect <8 >15 end> wait=5 up", likely.EOF_MISSED),
    client("closed-echo-is-waited-out", "open", "ask connect <8 >4 end> wait=5 up", likely.EOF_MISSED),
    client("takes-every-echo", "hangs", "ask connect <8 >magic wait=5 up", likely.ECHO_TAKEN),
    client("compares-five-of-the-echo", "hangs", "ask connect <8 >other wait=5 up", likely.ECHO_MAGIC),
    client("takes-every-echo", "accepts", "ask connect <8 >lower ok", likely.ECHO_TAKEN),
    client("dials-three-times", "short", "ask connect <end", likely.PROBES),
    client("looks-before-it-connects", "short", "T=1 ask connect <reset err=io", likely.PROBES),
    client("sends-half-a-hello", "short", "ask connect <5 <end", SHORT_HELLO),
    client("gives-up-in-the-hello", "short", "ask connect <6 <end err=io", SHORT_HELLO),
    server("port-zero-is-the-default", "refuses", "listen=any err=in-use", likely.PORT_ZERO),
    server("port-zero-is-the-default", "residue", "listen=any err=in-use", likely.PORT_ZERO),
    server("leaks-its-port", "residue", "listen=13600 err=in-use", ""),
    server("leaks-the-port", "residue", "listen=1 err=in-use", ""),
    server("does-not-half-close", "refuses", "listen connect >8 <25 err=unconfirmed", likely.NO_HALF_CLOSE),
    server("template-c", "open/the end of the stream", "listen connect up", likely.NO_HALF_CLOSE),
    client("big-endian-data-length-read", "reset", "ask connect <8 >25 <reset err=over-limit", likely.NEEDS_MORE),
    server(
        "does-not-half-close", "refuses", "T=1 listen connect >8 <25 wait=1 <end err=unconfirmed", likely.NO_HALF_CLOSE
    ),
    server("loses-the-end", "refuses", "T=1 listen connect >8 <25 <end wait=1 err=unconfirmed", ""),
    client("waits-for-the-end", "reset", "T=1 ask connect <8 >25 wait=1 <reset err=timeout", likely.NEEDS_MORE),
    client("big-endian-data-length-read", "name", "ask connect <8 >25 err=truncated", likely.NEEDS_MORE),
    client("wants-a-message", "reset", "ask connect <8 >none <reset err=malformed-message", likely.REFUSES_EMPTY),
    client("wants-a-message", "name", "ask connect <8 >none err=malformed-message", likely.REFUSES_EMPTY),
    client("checks-too-much", "refuses", "ask connect <8 >25 err=malformed-message", likely.REFUSES_RIGHT),
    client("checks-too-much", "reset", "ask connect <8 >25 <reset err=malformed-message", likely.REFUSES_RIGHT),
    server("sends-ill-formed", "name/message-not-utf8", "listen err=in-use", likely.UNCHECKED),
    # Its connection does not end.
    server("waits-for-eight", "open", "listen connect >magic wait=5 up", ""),
    server("waits-for-eight", "open", "listen connect >bad wait=5 up", likely.EIGHT_FIRST),
    server("template-node", "hangs", "listen connect >bad wait=5 up", likely.EIGHT_FIRST),
    client("compares-the-echo-at-the-end", "open", "ask connect <8 >bad wait=5 up", likely.ECHO_LAST),
    client("takes-every-echo", "hangs", "ask connect <8 >bad wait=5 up", likely.ECHO_LAST),
    server("does-not-half-close", "open", "listen connect >8 <25 wait=5 up", likely.NO_HALF_CLOSE),
    server("waits-for-the-client-first", "hangs", "listen connect >8 <25 wait=5 up", likely.NO_HALF_CLOSE),
    server("leaks-rejected", "open", "listen connect >bad err=invalid-connection wait=5 up", likely.NOT_CLOSED),
    client("leaks-connections", "open", "ask connect <8 >bad err=invalid-connection wait=5 up", likely.NOT_CLOSED),
    client("never-closes", "open", "ask connect <8 >25 ok wait=5 up", likely.LEFT_OPEN),
    client("closes-at-exit", "open", "ask connect <8 >none ok wait=5 up", likely.LEFT_OPEN),
    # It stops sending.
    client("waits-for-a-banner", "silent", "ask connect wait=5 up", likely.SPEAKS_SECOND),
    client("waits-for-a-greeting", "silent", "T=1 ask connect wait=2 up", likely.SPEAKS_SECOND),
    client("omits-the-nonce", "silent", "ask connect <5 wait=5 up", SHORT_HELLO),
    client("sends-the-magic-alone", "silent", "T=1 ask connect <5 up", SHORT_HELLO),
    server("reads-a-line", "silent", "listen connect >8 wait=5 up", likely.MORE_HELLO),
    server("reads-nine-octets", "silent", "T=1 listen connect >8 wait=2 up", likely.MORE_HELLO),
    server("wants-an-answer", "silent", "listen connect >8 <8 wait=5 up", likely.ECHO_ANSWER),
    server("three-ways", "silent", "T=1 listen connect >8 <8 wait=2 up", likely.ECHO_ANSWER),
    server("reads-nothing-while-it-sends", "silent", "big listen connect >8 <400 >more wait=5 up", likely.BOTH_WRITE),
    server("blocks-on-its-send", "silent", "big listen connect >8 >more <30 wait=5 up", likely.BOTH_WRITE),
    server("stops-in-the-middle", "silent", "big listen connect >8 <400 wait=5 up", ""),
    server("stops-after-the-head", "silent", "big listen connect >8 <22 wait=5 up", ""),
    # It ends too early.
    server("extra-is-wrong", "short", "listen connect >8 >more <8 <reset err=invalid-connection", likely.EXTRA),
    server(
        "wants-eight-alone", "short", "big listen connect >8 >more <500 <reset err=invalid-connection", likely.EXTRA
    ),
    server("closes-with-octets-unread", "short", "listen connect >8 <8 >more <reset ok", likely.UNREAD),
    server("closes-at-the-last-octet", "short", "big listen connect >8 >more <500 <reset ok", likely.UNREAD),
    server("half-close-is-the-end", "short", "listen connect >8 end> <end err=invalid-connection", HANG_UP),
    server("end-is-a-hang-up", "short", "listen connect >8 end> <8 <reset err=unconfirmed", HANG_UP),
    server("one-recv-for-the-hello", "short", "listen connect >3 >8 <reset err=invalid-connection", likely.ONE_RECV),
    server("reads-once", "short", "listen connect >7 >8 <end err=invalid-connection", likely.ONE_RECV),
    server("refuses-nul-nonces", "short", "listen connect >nul <reset err=invalid-connection", NUL),
    server("reads-a-string", "short", "listen connect >nul <end err=io", NUL),
    server("refuses-binary-nonces", "short", "listen connect >high <reset err=invalid-connection", ""),
    server("decodes-the-hello", "short", "listen connect >high <end err=io", ""),
    server(
        "bound-of-the-whole-at-the-server",
        "short",
        "big T=1 listen connect >8 <500 wait=1 <reset err=timeout",
        likely.WHOLE,
    ),
    server("deadline-of-the-call", "short", "big T=2 listen connect >8 <30 wait=2 <reset err=timeout", likely.WHOLE),
    server("ignores-short-writes", "short", "big listen connect >8 <500 <end ok", likely.ONE_SEND),
    server("loses-the-last-piece", "short", "big listen connect >8 <600 <end ok", likely.ONE_SEND),
    server("template-node", "short", "big listen connect >8 end> <500 <end ok", likely.CUT_SHORT),
    server("destroys-at-the-end", "short", "big listen connect >8 end> <40 <end ok", likely.CUT_SHORT),
    server("gives-up", "short", "listen connect >8 <10 <end err=io", ""),
    # It closes in another way.
    server("server-closes-in-order", "orderly", "listen connect >magic <end err=invalid-connection", likely.ORDERLY),
    client("client-closes-in-order", "orderly", "ask connect <8 >magic <end err=invalid-connection", likely.ORDERLY),
    server("closes-with-octets-unread", "reset", "listen connect >8 <25 >more <reset ok", likely.UNREAD),
    server("never-reads-again", "reset", "listen connect >8 >more <25 <reset ok", likely.UNREAD),
    client("data-length-in-four-octets-read", "reset", "ask connect <8 >25 <reset err=io", likely.CLIENT_UNREAD),
    client("stops-after-the-head", "reset", "T=1 ask connect <8 >25 <reset err=io", likely.CLIENT_UNREAD),
    client("resets-in-the-frame", "reset", "ask connect <8 >15 <reset", ""),
    client("resets-in-the-echo", "reset", "ask connect <8 >4 <reset", ""),
    server("always-resets", "reset", "listen connect >8 <25 <reset ok", ""),
    server("lingers-zero", "reset", "listen connect >8 <25 wait=1 <reset ok", ""),
    server("one-recv-for-the-hello", "broken", "listen connect >3 wait=1 >4", likely.ONE_RECV),
    server("reads-once", "broken", "listen connect >1 >2", likely.ONE_RECV),
    server("goes-away", "broken", "listen connect >8 >more", ""),
    client("goes-away", "broken", "ask connect <8 >8", ""),
    # It sends what does not belong.
    client("says-thanks", "surplus", "ask connect <8 >25 <more", likely.MORE_THAN_HELLO),
    client("acknowledges-the-echo", "surplus", "ask connect <8 >8 <more", likely.MORE_THAN_HELLO),
    client("sends-nine-octets", "surplus", "ask connect <nul-byte", NUL_AFTER_IT),
    client("sends-a-line", "surplus", "ask connect <newline", LINE_END_AFTER_IT),
    server("greets-at-once", "surplus", "listen connect >3 <part", likely.TOO_EARLY),
    server("answers-at-the-fifth", "surplus", "listen connect >5 <5", likely.TOO_EARLY),
    server("says-why", "surplus", "listen connect >magic <part", OWN_WORDS),
    server("greets-first", "surplus", "listen connect >magic <25", OWN_WORDS),
    server("takes-every-hello", "surplus", "listen connect >magic <magic", NOT_COMPARED),
    server("echoes-before-it-looks", "surplus", "listen connect >magic <magic <more", NOT_COMPARED),
    server("takes-every-case", "surplus", "listen connect >lower <lower", ANY_CASE),
    server("upper-cases-first", "surplus", "listen connect >lower <lower <more", ANY_CASE),
    server("compares-four-octets", "surplus", "listen connect >part <part", PART_OF_IT),
    server("looks-for-kcom", "surplus", "listen connect >part <part <more", PART_OF_IT),
    server("takes-more-than-eight", "surplus", "listen connect >8 >more <25", likely.NINTH),
    server("template-node", "surplus", "listen connect >8 >more <8", likely.NINTH),
    server("sends-a-trailer", "surplus", "listen connect >8 <25 <more", ""),
    # Its result is wrong.
    row("unpack-is-lenient", '{"op":"unpack","address":"+13600.aa"}', PARSER),
    row("unpack-takes-every-digit", '{"op":"unpack","address":"１3600.aa"}', PARSER),
    row("unpack-takes-every-port", '{"op":"unpack","address":"65536.aa"}', RANGE),
    row("unpack-takes-port-zero", '{"op":"unpack","address":"0.aa"}', RANGE),
    row("unpack-takes-every-count", '{"op":"unpack","address":"1.aa.aa.aa.aa.aa"}', COUNT),
    row("unpack-counts-nothing", '{"op":"unpack","address":"1.00.01.02.03.04.05.06"}', COUNT),
    row("unpack-takes-leading-zeros", '{"op":"unpack","address":"01.aa"}', "a port with leading zeros is taken"),
    row("template-python", '{"op":"unpack","address":"013600.aa"}', "a port with leading zeros is taken"),
    row("unpack-takes-trailing-dot", '{"op":"unpack","address":"1.aa."}', "a dot after the last group is taken"),
    row("unpack-splits-and-filters", '{"op":"unpack","address":"1.aa.bb."}', "a dot after the last group is taken"),
    row("unpack-joins-groups", '{"op":"unpack","address":"1.aabb"}', likely.TWO_DIGITS),
    row("unpack-takes-one-digit", '{"op":"unpack","address":"1.a"}', likely.TWO_DIGITS),
    row("unpack-strips", '{"op":"unpack","address":"1.aa\\n"}', likely.STRIPS),
    row("unpack-trims", '{"op":"unpack","address":"1.aa\\t"}', likely.STRIPS),
    row("unpack-stops-at-nul", '{"op":"unpack","address":"1.aa\\u0000x"}', likely.ADDRESS_NUL),
    row("template-c", '{"op":"unpack","address":"1.aa\\u0000"}', likely.ADDRESS_NUL),
    row("unpack-is-lenient", '{"op":"unpack","address":"1.-a"}', likely.GROUP_PARSER),
    row("unpack-parses-groups", '{"op":"unpack","address":"1.0xa"}', likely.GROUP_PARSER),
    row("pack-takes-any-port", '{"op":"pack","port":0,"key":"00"}', likely.PACK_PORT),
    row("pack-wraps-the-port", '{"op":"pack","port":65537,"key":"00"}', likely.PACK_PORT),
    row("pack-takes-any-key", '{"op":"pack","port":1,"key":"0001020304"}', likely.PACK_KEY),
    row("pack-takes-empty-key", '{"op":"pack","port":1,"key":""}', likely.PACK_KEY),
    server("template-node", "accepts/unconfirmed", "big listen connect >8 end> <30 ok reset>", likely.CUT_SHORT),
    server("closes-at-once", "accepts/unconfirmed", "listen connect >8 <25 ok wait=1 reset>", EARLY_END),
    server("returns-before-it-sends", "accepts/unconfirmed", "T=1 listen connect >8 ok wait=1", EARLY_END),
    server("takes-a-reset-for-success", "accepts/unconfirmed", "listen connect >8 <25 reset> ok", likely.RESET_OK),
    server("template-node", "accepts/unconfirmed", "big listen connect >8 <30 reset> ok", likely.RESET_OK),
    server("unconfirmed-is-ok", "accepts/unconfirmed", "T=1 listen connect >8 <25 <end wait=1 ok", IGNORED),
    server("swallows-the-timeout", "accepts/unconfirmed", "T=2 listen connect >8 <25 wait=2 ok", IGNORED),
    server(
        "talk-extends-the-close",
        "accepts/unconfirmed",
        "T=1 listen connect >8 <25 >more wait=1 end> ok",
        likely.CLOSE_ENDLESS,
    ),
    server(
        "template-node", "accepts/unconfirmed", "T=2 listen connect >8 <25 >more wait=3 end> ok", likely.CLOSE_ENDLESS
    ),
    server("takes-every-hello", "accepts/invalid-connection", "listen connect >magic <25 ok", NOT_COMPARED),
    server("takes-a-short-hello", "accepts/invalid-connection", "listen connect >5 end> <25 ok", likely.EOF_MISSED),
    client(
        "bound-per-call-at-the-client",
        "accepts/timeout",
        "T=1 ask connect <8 >2 wait=0.7 >4 wait=0.7 >25 ok",
        likely.PIECES,
    ),
    client("template-go", "accepts/timeout", "T=1 ask connect <8 >7 wait=2 >25 ok", likely.PIECES),
    client("takes-ill-formed", "accepts/malformed-message", "ask connect <8 >malformed ok=\ufffd", likely.REPLACED),
    client("template-node", "accepts/malformed-message", "ask connect <8 >malformed >more ok=\ufffd", likely.REPLACED),
    client("limit-is-one-more", "accepts/over-limit", "ask connect <8 >over ok", likely.OVER_LIMIT),
    client("has-no-limits", "accepts/over-limit", "T=1 ask connect <8 >over ok", likely.OVER_LIMIT),
    server("in-use-is-io", "name/in-use", "listen err=io", "a place that is taken is reported as io"),
    client("refused-is-io", "name/refused", "ask err=io", NOBODY_IS_IO),
    client("waits-for-a-server", "name/refused", "T=1 ask wait=1 err=timeout", likely.TRIES_ON),
    client("dials-until-t", "name/refused", "T=2 ask wait=2 err=timeout", likely.TRIES_ON),
    client("truncated-is-io", "name/truncated", "ask connect <8 >15 end> err=io", CUT_IS_IO),
    server("reset-is-io", "name/unconfirmed", "listen connect >8 <25 reset> err=io", LEAVING_IS_IO),
    server(
        "unconfirmed-is-timeout", "name/unconfirmed", "T=1 listen connect >8 <25 wait=1 err=timeout", STAYING_IS_TIMEOUT
    ),
    server(
        "waits-for-eight", "name/invalid-connection", "T=1 listen connect >bad wait=1 err=timeout", likely.EIGHT_FIRST
    ),
    client(
        "compares-the-echo-at-the-end",
        "name/invalid-connection",
        "T=1 ask connect <8 >bad wait=1 err=timeout",
        likely.ECHO_LAST,
    ),
    server(
        "close-in-the-hello-is-waited-out",
        "name/invalid-connection",
        "T=1 listen connect >3 end> wait=1 err=timeout",
        likely.EOF_MISSED,
    ),
    server("one-recv-for-the-hello", "name/timeout", "T=1 listen connect >7 err=invalid-connection", likely.ONE_RECV),
    server("has-one-name", "name/timeout", "T=1 listen connect >7 wait=1 err=io", "this failure is reported as io"),
    client(
        "has-one-name-as-client",
        "name/invalid-connection",
        "ask connect <8 >magic err=io",
        "this failure is reported as io",
    ),
    client("over-limit-is-truncated", "name/over-limit", "ask connect <8 >over err=truncated", ""),
    client("zero-is-at-once-as-client", "refuses/success", "T=0 ask connect <8 err=timeout", likely.ZERO),
    server("negative-is-at-once", "refuses/success", "T=-1 listen err=timeout", likely.ZERO),
    server("counts-milliseconds", "refuses/success", "T=2 listen connect >8 err=timeout", likely.MILLISECONDS),
    client("divides-by-a-thousand", "refuses/success", "T=5 ask connect <8 err=timeout", likely.MILLISECONDS),
    client(
        "bound-of-the-whole-at-the-client",
        "refuses/success",
        "T=1 ask connect <8 >9 wait=0.6 >12 wait=0.6 err=timeout",
        likely.ONE_DEADLINE,
    ),
    client(
        "bound-of-the-clients-call",
        "refuses/success",
        "T=2 ask connect <8 >8 wait=1.5 >15 wait=1 err=timeout",
        likely.ONE_DEADLINE,
    ),
    server(
        "cannot-rebind",
        "refuses/that it listens",
        "listen=15000 connect >8 <25 listen=15000 err=in-use",
        likely.TIME_WAIT,
    ),
    server("rebinds-late", "refuses/that it listens", "listen=15000 connect >8 listen=15000 err=io", likely.TIME_WAIT),
    client("one-recv-for-the-echo", "refuses/success", "ask connect <8 >3 >25 err=invalid-connection", likely.ONE_RECV),
    client("wants-the-echo-alone", "refuses/success", "ask connect <8 >25 err=invalid-connection", likely.LARGE_RECV),
    client(
        "compares-all-that-came", "refuses/success", "ask connect <8 >9 >25 err=invalid-connection", likely.LARGE_RECV
    ),
    server("one-recv-for-the-hello", "refuses/success", "listen connect >3 >8 err=invalid-connection", likely.ONE_RECV),
    server("refuses-to-send-nothing", "refuses/success", "listen err=io", ""),
    # What is measured.
    server("sends-ill-formed", "listens", "listen", likely.UNCHECKED, message="ff"),
    server("template-node", "listens", "listen connect", likely.UNCHECKED, message="c080"),
    server("template-go", "listens", "listen", likely.TOO_LONG, message="4-gib"),
    server("template-node", "hangs", "listen wait=5 up", likely.TOO_LONG, message="more"),
    server("stops-in-the-middle", "untaken", "listen connect >8 <8 >more up", likely.BOTH_WRITE),
    server("stops-after-two-octets", "untaken", "listen connect >3 up", ""),
    server("stops-after-four-octets", "untaken", "listen connect >5 up", ""),
    server(
        "template-go",
        "/that it waits, or success",
        "T=2 listen connect >8 <25 <end wait=2 err=unconfirmed",
        likely.ACKNOWLEDGED,
    ),
    server(
        "confirms-from-the-half-close",
        "/that it waits, or success",
        "T=2 listen connect >8 <25 <end wait=2 err=timeout",
        likely.ACKNOWLEDGED,
    ),
    server("gives-up", "/that it waits, or success", "T=2 listen connect >8 <25 <end err=io", ""),
    server("resets-in-the-end", "", "T=2 listen connect >8 <25 <reset err=unconfirmed", ""),
    server("has-one-name", "delivered", "listen connect >magic end> err=error", likely.NAMELESS, got=ONE_NAME),
    client("template-go", "delivered", "ask err=error", likely.NAMELESS, got=ONE_NAME),
    server("answers-twice", "delivered", "listen ok", "", got="success in spite of in-use"),
    server("is-early", "delivered", "listen connect >8 ok", "", got="the answer nothing with a client"),
    client("template-go", "delivered/no answer yet", "ask connect <8 >huge err=error", likely.SIGNED),
    client("template-java", "delivered/no answer yet", "ask connect <8 >half err=error", likely.SIGNED),
    client("has-a-limit", "delivered/no answer yet", "ask connect <8 >large err=over-limit", ""),
    client("gives-up-at-once", "delivered/no answer yet", "ask connect <8 >8 err=timeout", ""),
    server("template-go", "accepts/invalid-connection or timeout", "listen runs=method ok", likely.NINTH),
    server("takes-every-hello", "accepts/invalid-connection or timeout", "listen runs=curl ok", ""),
    server("wraps-the-server-port", "listens", "listen=70000", likely.PORT_UNCHECKED),
    server("leaves-the-port-to-the-kernel", "listens", "listen=65536", likely.PORT_UNCHECKED),
    server("binds-the-wildcard", "connects", "listen", likely.WILDCARD, got="it listens on 0.0.0.0"),
    server(
        "binds-every-address", "connects", "listen", likely.WILDCARD, got="3 octets on a second connection to 127.0.0.2"
    ),
    server("binds-a-mapped-address", "connects", "listen", likely.MAPPED, got="it listens on ::ffff:127.0.0.1"),
    server(
        "accepts-a-mapped-client",
        "connects",
        "listen",
        likely.MAPPED,
        got="25 octets on a second connection to ::ffff:7f00:1",
    ),
    server(
        "serves-two", "connects", "listen connect", likely.SERVES_MORE, got="3 octets on a second connection to 1234"
    ),
    server(
        "serves-the-next-client",
        "connects",
        "listen connect >magic",
        likely.SERVES_MORE,
        got="25 octets on a second connection to 1234",
    ),
    server(
        "keeps-listening",
        "connects",
        "listen connect",
        likely.KEEPS_LISTENING,
        got="a second connection to 1234 still open after 1.0 s",
    ),
    server(
        "closes-the-listener-late",
        "connects",
        "listen connect >8",
        likely.KEEPS_LISTENING,
        got="a second connection to 1234 still open after 5.0 s",
    ),
    client("ends-too-early-as-client", "early", "T=1 ask connect <8 wait=0.9 err=timeout", likely.ROUNDED),
    server("ends-too-early", "early", "T=1 listen wait=0.9 err=timeout", likely.ROUNDED),
    client("ends-too-late-as-client", "late", "T=1 ask connect <8 wait=4 err=timeout", likely.ANEW),
    server("ends-too-late", "late", "T=1 listen wait=4 err=timeout", likely.ANEW),
    client(
        "allocates-what-is-declared",
        "memory",
        "ask connect <8",
        likely.ALLOCATED,
        got="memory for 4,294,967,296 octets reserved",
    ),
    client(
        "makes-the-buffer-first", "memory", "T=1 ask connect <8", likely.ALLOCATED, got="the process grew by 256 MiB"
    ),
    server("reads-its-file-first", "memory", "listen=file connect", likely.HELD, got="the process grew by 64 MiB"),
    server("maps-and-copies", "memory", "listen=file connect >8", likely.HELD, got="the process grew by 128 MiB"),
    client("crashes-at-what-is-declared", "crashes", "ask connect <8", likely.ALLOCATED, stderr="MemoryError"),
    client("panics", "crashes", "ask connect <8", likely.ALLOCATED, stderr="fatal error: runtime: out of memory"),
    server("dies-of-sigpipe", "crashes", "listen connect", likely.SIGPIPE, got="the adapter ended (killed by SIGPIPE)"),
    server("template-c", "crashes", "listen connect >8", likely.SIGPIPE, got="the adapter ended (killed by SIGPIPE)"),
    server("falls-over", "crashes", "listen connect >8", "", got="the adapter ended (killed by SIGSEGV)"),
    client("unpack-crashes", "crashes", "ask", "", got="the adapter ended (exit code 1)"),
    server("leaks-listeners", "residue", "listen", likely.DESCRIPTOR, got="3 more descriptors after 3 servers"),
    client("leaks-connections", "residue", "ask", likely.DESCRIPTOR, got="400 more descriptors after 400 exchanges"),
    server("leaks-threads", "residue", "listen", THREAD, got="400 more threads after 400 exchanges"),
    client("leaks-memory", "residue", "ask", MEMORY, got="100 MiB more after 400 exchanges"),
    server("open-to-all", "residue", "listen", likely.MODE, got="the socket file has mode 0o666"),
    server("mode-of-the-umask", "residue", "listen", likely.MODE, got="the socket file has mode 0o755"),
    server(
        "inherits-sockets",
        "residue",
        "listen",
        likely.INHERITED,
        got="a socket that a child inherits, while it listens",
    ),
    client(
        "inherits-its-connection",
        "residue",
        "ask connect <8",
        likely.INHERITED,
        got="a socket that a child inherits, while it receives",
    ),
    server("leaves-children", "residue", "listen", "", got="afterwards: got nothing"),
    client("leaves-the-temporary-file", "residue", "ask", "", got="left in the folder: .part"),
    client("reads-the-hello-as-c", "surplus", "T=1 ask connect <nul-byte", NUL_AFTER_IT),
    client("prints-the-hello", "surplus", "T=1 ask connect <newline", LINE_END_AFTER_IT),
    server("template-c", "name/in-use", "listen=13600 err=io", "a place that is taken is reported as io"),
    client("template-c", "name/refused", "T=1 ask err=io", NOBODY_IS_IO),
    client("has-one-name-as-client", "name/truncated", "ask connect <8 >11 reset> err=io", CUT_IS_IO),
    server("has-one-name", "name/unconfirmed", "listen connect >8 <12 reset> err=io", LEAVING_IS_IO),
    server("template-go", "name/unconfirmed", "T=2 listen connect >8 <25 <end wait=2 err=timeout", STAYING_IS_TIMEOUT),
    server("takes-every-hello", "orderly", "listen connect >magic <25 <end ok", ""),
    server("takes-a-short-hello", "orderly", "listen connect >5 end> <25 <end ok", ""),
    client(
        "compares-five-of-the-echo", "accepts", "ask connect <8 >other ok", "the echo is not compared beyond the magic"
    ),
    client("takes-surrogates", "accepts/malformed-message", "ask connect <8 >malformed ok=x", likely.NOT_CHECKED),
    client(
        "takes-the-long-nul", "accepts/malformed-message", "ask connect <8 >malformed >more ok=y", likely.NOT_CHECKED
    ),
    client("takes-every-echo", "orderly", "ask connect <8 >other <end ok", "the echo is not compared beyond the magic"),
    client("takes-ill-formed", "orderly", "ask connect <8 >malformed <end ok", ""),
    client("compares-all-that-came", "broken", "ask connect <8 >9 >25", ""),
    server("stops-reading", "broken", "listen connect >8 <25", ""),
    server("counts-milliseconds", "early", "T=2 listen err=timeout", likely.MILLISECONDS),
    client("divides-by-a-thousand", "early", "T=2 ask connect <8 err=timeout", likely.MILLISECONDS),
    server("gives-up-with-io", "early", "T=2 listen wait=1 err=io", ""),
    client("gives-up-with-io", "early", "T=2 ask connect <8 wait=1 err=io", ""),
    server("waits-for-the-kernel", "late", "T=1 listen wait=4 err=io", ""),
    server("is-woken-late", "late", "T=1 listen connect >8 wait=4 ok", ""),
    client("waits-for-the-kernel", "late", "T=1 ask wait=4 err=refused", ""),
    client("is-woken-late", "late", "T=1 ask connect <8 wait=4 err=io", ""),
    client("stores-in-memory-first", "memory", "ask=file connect <8", likely.HELD, got="the process grew by 64 MiB"),
    client("maps-its-file", "memory", "T=1 ask=file connect <8", likely.HELD, got="the process grew by 128 MiB"),
    server("copies-its-data", "memory", "listen connect", "", got="the process grew by 64 MiB"),
    server("buffers-in-vain", "memory", "listen connect >8", "", got="the process grew by 96 MiB"),
    client("falls-over", "crashes", "ask connect", "", got="the adapter ended (killed by SIGSEGV)"),
    server("asserts", "crashes", "listen", "", got="the adapter ended (killed by SIGABRT)"),
    client("leaks-threads-as-client", "residue", "ask", THREAD, got="9 more threads after 400 exchanges"),
    server("leaks-memory-as-server", "residue", "listen", MEMORY, got="40 MiB more after 400 exchanges"),
]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda one: f"{one.saw}:{one.peer}:{one.steps}"[:80])
def test_the_cause_follows_from_what_was_seen(situation: Situation) -> None:
    told = situation.told
    assert told == situation.cause


@pytest.mark.parametrize(
    ("axis", "role", "got", "cause"),
    [
        ("residue", "server", "3 more descriptors after 3 servers", likely.DESCRIPTOR),
        ("residue", "server", "a socket that a child inherits, while it listens", likely.INHERITED),
        ("memory", "client", "the process grew by 128 MiB", likely.ALLOCATED),
    ],
)
def test_what_is_measured_needs_no_word(axis: Axis, role: Role, got: str, cause: str) -> None:
    """As the cases fail that read in /proc."""
    result = Result("x/y@tcp6", "mine", "close.residue", "MUST", role, "tcp6", "", Verdict.FAIL)
    result.problems = [Problem("close.residue", "MUST", axis, got, "none")]
    assert causes.cause_of(result) == cause


def test_each_cause_has_two_peers_that_have_it_and_two_that_fail_alike_without_it() -> None:
    having = Counter(one.cause for one in SITUATIONS if one.cause)
    few = {}
    for one in SITUATIONS:
        alike = [other for other in SITUATIONS if (other.saw, other.role) == (one.saw, one.role)]
        without = sum(other.cause != one.cause for other in alike)
        if one.cause and (having[one.cause] < 2 or without < 2):
            few[one.cause] = having[one.cause], without
    assert few == {}


def test_every_text_is_in_the_table() -> None:
    texts = {
        value for name, value in vars(likely).items() if name[0] != "_" and name.isupper() and isinstance(value, str)
    }
    of_octets = {
        likely.BIG_MESSAGE,
        likely.BIG_READ,
        likely.DATA_FIRST,
        likely.NO_EMPTY,
        likely.BEFORE_ECHO,
        likely.OWN_NONCE,
    }  # in test_report_causes
    assert texts - of_octets <= {one.cause for one in SITUATIONS}
    trees = [ast.parse(inspect.getsource(module)) for module in (conduct, outcome)]
    returned = [node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Return)]
    spelt = [node.value for node in returned if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    told = {one.told for one in SITUATIONS}
    assert [text for text in spelt if text and text not in told] == []
