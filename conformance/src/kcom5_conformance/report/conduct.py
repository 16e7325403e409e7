"""Likely causes by behaviour: who waited, who closed and how, which error came and when.

Each function handles one kind of observation (`Problem.saw`). It returns a cause if the facts of the case allow little
else, a cause with "perhaps" if they allow more, and otherwise nothing. It does not use the rule of the case.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from . import likely, outcome
from .seen import MAGIC, Seen


def conduct(seen: Seen) -> str:
    """Returns the likely cause; empty if none is recognised."""
    if seen.error == "malformed-message" and seen.has_good_message:
        return likely.REFUSES_RIGHT if seen.frame.message_size else likely.REFUSES_EMPTY
    if seen.error == "in-use" and seen.role == "server" and seen.request.get("port") == 0:
        return likely.PORT_ZERO
    found = _BY_SAW.get(seen.saw or seen.problem.axis)  # a case without `saw` uses its axis
    return found(seen) if found else ""


# ---- it waits


def _hangs(seen: Seen) -> str:
    if seen.role not in ("server", "client"):
        return ""
    if seen.role == "server" and seen.is_listening and not seen.has_right_message:
        return likely.UNCHECKED
    if seen.is_left:
        return likely.EOF_MISSED
    if (seen.timeout or 0) > 0 and seen.timeout is not None:
        return _timed(seen, seen.timeout)
    return _waits_for_more(seen)


def _timed(seen: Seen, timeout: int) -> str:
    """The call does not end although T has passed."""
    if not seen.is_connected:
        return likely.NO_ACCEPT if seen.role == "server" else likely.NO_CONNECT
    handshake = seen.sent_size < 8
    if seen.silence < timeout and len(seen.pieces) > 1:
        if handshake:
            return likely.PIECES
        if seen.role == "server":
            return likely.PROGRESS
        return ""
    if handshake and seen.role == "server":
        return likely.NO_HELLO
    if handshake:
        return likely.NO_ECHO
    if seen.role == "client":
        return _waits_for_more(seen) if seen.frame.is_whole else likely.NO_FRAME
    if seen.phase == "confirming":
        return likely.NO_CLOSE
    if not seen.got_size:
        return likely.SEND_OR_CLOSE
    return likely.NO_SEND


def _waits_for_more(seen: Seen) -> str:
    """The call waits for bytes that the spec does not allow it to wait for."""
    if seen.role == "server":
        if seen.is_too_long:
            return likely.TOO_LONG
        if seen.sent_size < 8 and not seen.has_right_start:
            return likely.EIGHT_FIRST
        is_all_there = seen.phase == "confirming" or seen.problem.expected == "the end of the stream"
        return likely.NO_HALF_CLOSE if is_all_there and not seen.peer_ended else ""
    if seen.sent_size < 8:
        return likely.ECHO_LAST if seen.sent != seen.got[: len(seen.sent)] else ""
    if seen.sent[:8] != seen.got[:8]:
        return likely.ECHO_MAGIC if seen.sent[:5] == seen.got[:5] else likely.ECHO_TAKEN
    if seen.is_over_limit:
        return likely.LATE_LIMIT
    if seen.is_malformed:
        return likely.LATE_UTF8
    is_whole = seen.frame.is_whole or (seen.frame.is_cut and seen.problem.expected == "the end of the stream")
    return likely.NEEDS_MORE if is_whole and not seen.suite_ended else ""


def _open(seen: Seen) -> str:
    """The connection is still open and should have ended."""
    if seen.answer.get("error"):
        return likely.NOT_CLOSED
    if seen.is_ok and seen.role == "client":
        return likely.LEFT_OPEN
    if seen.is_left:
        return likely.EOF_MISSED
    return _waits_for_more(seen)


def _broken(seen: Seen) -> str:
    """The connection was gone when the suite sent."""
    is_piece = 0 < seen.sent_size < 8 and seen.has_right_start and seen.error in ("", "error", "invalid-connection")
    return likely.ONE_RECV if seen.role == "server" and is_piece else ""


def _silent(seen: Seen) -> str:
    """The implementation should have sent more, and the connection is open."""
    if seen.role == "client":
        return "" if seen.got_size else likely.SPEAKS_SECOND
    if not seen.got_size:
        return likely.MORE_HELLO if seen.sent_size else ""
    if seen.got_size == 8:
        return likely.ECHO_ANSWER
    if seen.sent_size > 8 and seen.phase == "data":
        return likely.BOTH_WRITE
    return ""


# ---- it ends


def _short(seen: Seen) -> str:
    """The implementation closed before it had sent everything; the sent bytes are correct."""
    if seen.role != "server":
        return likely.PROBES if not seen.got_size and seen.peer_ended else ""
    if seen.sent_size > 8:
        if seen.error == "invalid-connection":
            return likely.EXTRA
        if seen.peer_ended == "reset":
            return likely.UNREAD
    if seen.suite_ended == "end" and seen.got_size <= 8:
        return "the client's half-close is taken for a hang-up"
    if seen.got_size < 8 and seen.pieces and seen.pieces[0] < 8:
        return likely.ONE_RECV
    if seen.got_size == 0 and len(seen.sent) == 8 and seen.has_right_start:
        return _of_nonce(seen.sent[5:])
    if seen.suite_ended == "end" and seen.phase == "data":
        return likely.CUT_SHORT
    if seen.error == "timeout" and seen.timeout is not None and seen.phase in ("data", "message"):
        return likely.WHOLE
    if seen.phase == "data" and seen.is_ok:
        return likely.ONE_SEND
    return ""


def _of_nonce(nonce: bytes) -> str:
    if b"\0" in nonce:
        return "the hello is handled as a C string: it ends at a NUL among the three octets"
    return ""


def _orderly(seen: Seen) -> str:
    return "" if seen.is_ok else likely.ORDERLY


def _reset(seen: Seen) -> str:
    if seen.role == "client":
        if seen.error == "timeout" or (seen.error == "over-limit" and not seen.is_over_limit):
            return likely.NEEDS_MORE if seen.frame.is_whole else ""
        return likely.CLIENT_UNREAD if seen.frame.is_whole else ""
    return likely.UNREAD if seen.sent_size > 8 else ""


# ---- it sends surplus bytes


def _surplus(seen: Seen) -> str:
    if seen.role == "client":
        return likely.MORE_THAN_HELLO
    if seen.role != "server":
        return ""
    if seen.sent_size < 8:
        return likely.TOO_EARLY
    if seen.sent[:5] != MAGIC:
        if len(seen.got) >= 8 and seen.got[:8] == seen.sent[:8]:
            return outcome.of_magic(seen.sent[:5])
        return likely.OWN_WORDS
    if seen.is_answered_last and seen.sent_size > 8 and seen.got[:8] == seen.sent[:8]:
        return likely.NINTH
    return ""


def _connects(seen: Seen) -> str:
    where = seen.problem.got
    if re.search(r"::ffff:(7f|127\.)", where):
        return likely.MAPPED
    if re.search(r"listens on (0\.0\.0\.0|::)|to 127\.0\.0\.2|to 127\.255", where):
        return likely.WILDCARD
    if "octets on a second" in where:
        return likely.SERVES_MORE
    if "still open" in where:
        return likely.KEEPS_LISTENING
    return ""


# ---- measurements


def _early(seen: Seen) -> str:
    if seen.error not in ("timeout", "unconfirmed"):
        return ""
    return likely.MILLISECONDS if outcome.answered_at(seen) < 0.3 * (seen.timeout or 0) else likely.ROUNDED


def _late(seen: Seen) -> str:
    return likely.ANEW if seen.error in ("timeout", "unconfirmed") else ""


def _memory(seen: Seen) -> str:
    data = seen.request.get("data")
    if seen.role == "client":
        return likely.HELD if "to" in seen.request else likely.ALLOCATED
    return likely.HELD if isinstance(data, dict) and "file" in data else ""


def _residue(seen: Seen) -> str:
    got = seen.problem.got
    if "more descriptors" in got:
        return likely.DESCRIPTOR
    if "more threads" in got:
        return "a thread of an exchange never ends"
    if "MiB more" in got:
        return "memory of an exchange is never freed"
    if "a child inherits" in got:
        return likely.INHERITED
    if "has mode" in got:
        return likely.MODE
    return ""


def _untaken(seen: Seen) -> str:
    """The implementation reads no more."""
    return likely.BOTH_WRITE if seen.role == "server" and seen.sent_size > 8 else ""


def _delivered(seen: Seen) -> str:
    if seen.problem.got.startswith("no name, and for other failures "):
        return likely.NAMELESS
    is_huge = seen.role == "client" and len(seen.sent) >= seen.frame.head and seen.frame.data_size >= 1 << 63
    return likely.SIGNED if seen.problem.expected == "no answer yet" and is_huge else ""


def _ended(seen: Seen) -> str:
    is_waiting = seen.problem.expected == "that it waits, or success" and seen.error in ("timeout", "unconfirmed")
    return likely.ACKNOWLEDGED if seen.role == "server" and is_waiting else ""


def _listens(seen: Seen) -> str:
    if seen.is_too_long:
        return likely.TOO_LONG
    return likely.UNCHECKED if not seen.has_right_message else likely.PORT_UNCHECKED


def _crashes(seen: Seen) -> str:
    if re.search(r"SIGPIPE|signal 13\b", seen.problem.got) or (
        sys.platform == "linux" and "exit code 141" in seen.problem.got
    ):
        return likely.SIGPIPE
    if "MemoryError" in seen.result.stderr or "out of memory" in seen.result.stderr.lower():
        return likely.ALLOCATED
    if found := _SANITIZER.search(seen.result.stderr):
        return f"a sanitizer's report: {found[0].strip()}"
    return ""


_SANITIZER = re.compile(r"\b[A-Z]\w+Sanitizer: [a-z][\w -]+|\bruntime error: .+|\bDATA RACE\b")
"""The pattern of the one line of a report that names the fault."""

_BY_SAW: dict[str, Callable[[Seen], str]] = {
    "accepts": outcome.accepts,
    "broken": _broken,
    "connects": _connects,
    "crashes": _crashes,
    "delivered": _delivered,
    "early": _early,
    "ended": _ended,
    "hangs": _hangs,
    "late": _late,
    "listens": _listens,
    "memory": _memory,
    "name": outcome.name,
    "open": _open,
    "orderly": _orderly,
    "refuses": outcome.refuses,
    "reset": _reset,
    "residue": _residue,
    "short": _short,
    "silent": _silent,
    "surplus": _surplus,
    "untaken": _untaken,
}
