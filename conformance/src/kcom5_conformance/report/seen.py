"""Facts of one failed case, read from its ladder: who sent how much, who waited, who closed, and in which phase.

Causes and groups use these facts and never the rule of the case.
"""

from __future__ import annotations

import json
from codecs import getincrementaldecoder
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property

from ..results import Event, Json, Problem, Result

MAGIC = b"KCOM5"
MOST_MESSAGE = 1 << 24
"""The default limit of a client for the message, in bytes."""
LONGEST_MESSAGE = (1 << 32) - 1
RUNS = "runs "
"""The start of the event of a foreign program, before its command."""
NO_TIMEOUT = 20
"""Seconds. A case with a longer T does not measure it."""


@dataclass(frozen=True)
class Seen:
    """The events of a case. Only the first bytes of each side are kept."""

    result: Result
    problem: Problem
    last_answer: Json = field(default_factory=dict)
    """The adapter's last answer, complete."""

    @property
    def role(self) -> str:
        return self.result.role

    @property
    def saw(self) -> str:
        return self.problem.saw

    @cached_property
    def request(self) -> Json:
        """Returns the last request; empty if it was shortened."""
        texts = [event.text for event in self.result.events if event.what == "request"]
        with suppress(ValueError, IndexError):
            found: Json = json.loads(texts[-1])
            return found
        return {}

    @property
    def timeout(self) -> int | None:
        """Returns T in seconds, or None if the case does not measure it."""
        close = self.request.get("close")
        return close if isinstance(close, int) and 0 < close < NO_TIMEOUT else None

    def _octets(self, who: str) -> list[Event]:
        """Returns the events with bytes of this end."""
        found: list[Event] = []
        for event in self.events:
            if event.what == "octets" and event.who == who:
                found.append(event)
        return found

    @cached_property
    def events(self) -> list[Event]:
        """Returns the events since the last connection; all if there is no connection."""
        events = self.result.events
        at = [index for index, event in enumerate(events) if event.what == "connect"]
        return events[at[-1] :] if at else events

    @property
    def is_connected(self) -> bool:
        return any(event.what == "connect" for event in self.result.events)

    @cached_property
    def sent(self) -> bytes:
        """Returns the bytes that the suite sent, up to the first gap."""
        return _joined(self._octets("suite"))

    @cached_property
    def sent_size(self) -> int:
        return sum(event.size for event in self._octets("suite"))

    @property
    def has_right_start(self) -> bool:
        """Returns whether the suite sent the magic, or the start of it."""
        return self.sent[:5] == MAGIC[: len(self.sent)]

    @cached_property
    def got(self) -> bytes:
        """Returns the bytes that the implementation sent, up to the first gap."""
        return _joined(self._octets("implementation"))

    @cached_property
    def got_size(self) -> int:
        return sum(event.size for event in self._octets("implementation"))

    @property
    def wanted(self) -> bytes:
        """Returns the bytes that it should have sent, as far as they are known."""
        return bytes.fromhex(self.problem.expected_stream)

    @property
    def pieces(self) -> list[int]:
        """Returns the sizes of the pieces that the suite sent."""
        return [event.size for event in self._octets("suite")]

    def _how(self, who: str) -> str:
        ways = [event.what for event in self.events if event.who == who and event.what in ("end", "reset", "close")]
        return "reset" if "reset" in ways else "end" if ways else ""

    @property
    def suite_ended(self) -> str:
        """Returns how the suite ended its side: `end`, `reset` or empty."""
        return self._how("suite")

    @property
    def peer_ended(self) -> str:
        """Returns how the implementation ended its side."""
        return self._how("implementation")

    @property
    def ends_late(self) -> bool:
        """Returns whether the implementation did not end its side, or only when T had passed since its last byte."""
        own = [event for event in self.events if event.who == "implementation"]
        sent = [event.at for event in own if event.what == "octets"]
        ends = [event.at for event in own if event.what in ("end", "reset")]
        return not ends or bool(sent and self.timeout and ends[0] - sent[-1] >= 0.8 * self.timeout)

    @cached_property
    def answer(self) -> Json:
        """Returns the adapter's last answer; empty if there was none before the suite gave up."""
        for event in self.result.events:
            if event.what == "answer" and "listening" not in event.text:
                return self.last_answer
            if _is_giving_up(event):
                return {}
        return self.last_answer

    @cached_property
    def silence(self) -> float:
        """Returns the seconds between the suite's last act and its giving up; 0 if it did not give up."""
        last = 0.0
        for event in self.result.events:
            if _is_giving_up(event):
                return event.at - last
            if event.who == "suite" and event.what != "wait":
                last = event.at
        return 0.0

    @property
    def error(self) -> str:
        return str(self.answer.get("error", ""))

    @property
    def is_ok(self) -> bool:
        return bool(self.answer.get("ok"))

    @cached_property
    def frame(self) -> Frame:
        """Returns the frame that the server of the exchange sent, which may be the suite."""
        return Frame(self.got, self.got_size) if self.role == "server" else Frame(self.sent, self.sent_size)

    @property
    def is_left(self) -> bool:
        """Returns whether the suite ended its side before the implementation had received everything."""
        if not self.suite_ended or not self.is_connected:
            return False
        return not self.got_size if self.role == "server" else not self.frame.is_whole

    @property
    def has_answered_the_end(self) -> bool:
        """Returns whether the answer came after the suite had ended its side."""
        what = [event.what for event in self.events if event.what == "answer" or event.who == "suite"]
        ends = [at for at, one in enumerate(what) if one in ("end", "close", "reset")]
        return bool(ends) and "answer" in what[ends[0] :]

    @property
    def is_listening(self) -> bool:
        """Returns whether a server of the implementation has reported that it listens."""
        return any(event.what == "answer" and "listening" in event.text for event in self.result.events)

    @property
    def is_answered_last(self) -> bool:
        """Returns whether the suite had sent everything before the implementation's first byte came."""
        who = [event.who for event in self.events if event.what == "octets"]
        return "implementation" in who and "suite" not in who[who.index("implementation") :]

    @property
    def has_right_message(self) -> bool:
        """Returns whether the message that a server is asked to send is UTF-8."""
        message = self.request.get("message", "")
        return not isinstance(message, dict) or "hex" not in message or _is_utf8(bytes.fromhex(message["hex"]))

    @property
    def is_too_long(self) -> bool:
        """Returns whether the message that a server is asked to send is longer than the protocol allows."""
        message = self.request.get("message", "")
        return isinstance(message, dict) and message.get("size", 0) > LONGEST_MESSAGE

    @property
    def program(self) -> str:
        """Returns the command of the foreign program that took part; empty without one."""
        ran = [event.text for event in self.result.events if event.what == "wait" and event.text.startswith(RUNS)]
        return ran[0].removeprefix(RUNS) if ran else ""

    @property
    def is_malformed(self) -> bool:
        """Returns whether the message that was sent to a client is complete and not UTF-8."""
        is_whole = self.sent_size >= 12 + self.frame.message_size and len(self.sent) >= 12
        return is_whole and not _is_utf8(self.frame.message, is_start=len(self.frame.message) < self.frame.message_size)

    @property
    def has_good_message(self) -> bool:
        """Returns whether the message that was sent to a client is complete and UTF-8."""
        message, is_client = self.frame.message, self.role == "client"
        return is_client and len(self.sent) >= 12 + self.frame.message_size and _is_utf8(message)

    @property
    def is_over_limit(self) -> bool:
        """Returns whether a length that was sent to a client is over its limit."""
        limits, frame = self.request.get("limits", {}), self.frame
        if len(self.sent) >= 12 and frame.message_size > limits.get("message", MOST_MESSAGE):
            return True
        return len(self.sent) >= frame.head and frame.data_size > limits.get("data", 1 << 64)

    @cached_property
    def phase(self) -> str:
        """Returns the phase of the exchange at the failure."""
        if self.role not in ("server", "client"):
            return ""
        for name, phase in _NAMED.items():
            if name in self.problem.expected:
                return phase
        if self.role == "client" and self.saw == "surplus":
            return "hello"
        if not self.is_connected:
            return "start"
        if self.role == "server":
            if self.sent_size < 8 or not self.has_right_start:
                return "hello"
            if self.problem.at is not None and self.saw in ("octets", "short", "silent"):
                return Frame(self.wanted, len(self.wanted)).phase_at(self.problem.at)
        else:
            if self.got_size < 8 or (self.saw == "octets" and (self.problem.at or 0) < 8):
                return "hello"
            if self.sent_size < 8 or self.sent[:8] != self.got[:8]:
                return "echo"
        return self.frame.phase_at(self.frame.size)


_NAMED = {
    "malformed-message": "message",
    "message-not-utf8": "start",
    "invalid-port": "start",
    "three random octets": "hello",
}
"""Expectations that determine the phase."""
PHASES = {
    "": "",
    "start": "before the connection",
    "hello": "in the hello",
    "echo": "in the echo",
    "lengths": "in a length",
    "message": "in the message",
    "data": "in the data",
    "confirming": "while closing",
}
"""The phases in their order, in words."""


@dataclass(frozen=True)
class Frame:
    """The sent part of echo and frame."""

    octets: bytes
    size: int

    @property
    def message_size(self) -> int:
        return int.from_bytes(self.octets[8:12], "little")

    @property
    def message(self) -> bytes:
        return self.octets[12 : 12 + self.message_size]

    @property
    def head(self) -> int:
        """Returns the offset of the data."""
        return 20 + self.message_size

    @property
    def data_size(self) -> int:
        return int.from_bytes(self.octets[self.head - 8 : self.head], "little")

    @property
    def data(self) -> bytes:
        return self.octets[self.head : self.head + self.data_size]

    @property
    def is_cut(self) -> bool:
        """Returns whether the data length was sent and is not among the kept bytes."""
        return len(self.octets) < self.head <= self.size

    @property
    def is_whole(self) -> bool:
        """Returns whether all declared bytes were sent."""
        return len(self.octets) >= self.head and self.size >= self.head + self.data_size

    def phase_at(self, at: int) -> str:
        """Returns the phase in which the byte at this offset is sent."""
        if at < 8:
            return "echo"
        if at < 12:
            return "lengths"
        if at < 12 + self.message_size:
            return "message"
        if at < self.head or len(self.octets) < self.head:
            return "lengths"
        return "data" if at < self.head + self.data_size else "confirming"


def _is_utf8(octets: bytes, *, is_start: bool = False) -> bool:
    """Returns whether the bytes are UTF-8, or the start of it."""
    try:
        getincrementaldecoder("utf-8")().decode(octets, final=not is_start)
    except UnicodeDecodeError:
        return False
    return True


def _is_giving_up(event: Event) -> bool:
    return event.what == "wait" and event.text.startswith("gives up")


def _joined(events: list[Event]) -> bytes:
    octets = b""
    for event in events:
        octets += bytes.fromhex(event.octets)
        if event.size > len(event.octets) // 2:
            break
    return octets
