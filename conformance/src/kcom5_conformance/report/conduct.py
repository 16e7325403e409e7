"""Likely causes by behaviour: who waited, who closed and how, which error came and when.

Each function handles one kind of observation (`Problem.saw`). It returns a cause if the facts of the case allow little
else, a cause with "perhaps" if they allow more, and otherwise nothing. It does not use the rule of the case.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable

from .seen import Seen

MAGIC = b"KCOM5"
EOF_MISSED = "the end of the stream is not noticed: a recv that returns nothing is tried again, or taken for octets"
EIGHT_FIRST = "the magic is compared only when eight octets have arrived, or not at all"
ECHO_LAST = "the echo is compared only when all eight octets have arrived, or not at all"
UNREAD = "it closes with octets unread: the kernel then sends a reset, which destroys data in flight"
NOT_CLOSED = "the call ends with an error and leaves its connection open"
NEEDS_MORE = "perhaps it waits for the stream's end, reads a length as big-endian, or has lost what came with the echo"
ONE_RECV = "one recv per field: the first piece is taken for all of it"
UNCHECKED = "the message is not checked before the socket is opened, or not at all"
NO_HALF_CLOSE = "it does not half-close after the frame: each end waits for the other"
LEFT_OPEN = "the call returns and leaves its connection open"
SEND_OR_CLOSE = "the send, or the wait for the client's end, has no timeout"
SPEAKS_SECOND = "perhaps the client waits for the server to speak first"
MORE_HELLO = "perhaps it waits for more than the eight octets of the hello, or for a line"
ECHO_ANSWER = "perhaps it waits for the client to answer the echo"
BOTH_WRITE = "perhaps it reads what the client says only when all is sent: both ends wait for the other to read"
EXTRA = "octets after the hello are taken for an error"
WHOLE = "T bounds the whole transfer: it starts anew with each octet that moves"
ONE_SEND = "perhaps one send for all the data: the kernel takes a part, and the rest is forgotten at the close"
CUT_SHORT = "perhaps it closes when it sees the client's half-close, with data of its own still to send"
ORDERLY = "an ordinary close after a failure: set SO_LINGER to zero before it, so that it becomes a reset"
TOO_EARLY = "it sends before the hello is there"
NINTH = "exactly eight octets are read: octets that came with the hello are not seen"
WILDCARD = "it binds a wildcard address"
MAPPED = "it binds an IPv4-mapped address of an IPv6 socket: each family has a socket of its own"
SERVES_MORE = "it accepts and serves more than one connection"
KEEPS_LISTENING = "the listening socket stays open after the first client was accepted"
PIECES = "T starts anew with each piece: the handshake has one deadline"
REPLACED = "the message is decoded with replacement characters (U+FFFD) instead of being checked"
OVER_LIMIT = "the limit is not compared with the declared length, or is off by one"
RESET_OK = "perhaps a reset is taken for the client's end"
STRIPS = "white space around the address is stripped"
ADDRESS_NUL = "the address is handled as a C string: it ends at a NUL"
GROUP_PARSER = "perhaps the language's number parser reads the groups: it takes signs, spaces or prefixes, too"
TWO_DIGITS = "a group is not held to exactly two hexadecimal digits"
PACK_PORT = "the port is not compared with 1 and 65535, or is cut to 16 bits first"
PACK_KEY = "the key's length is not checked: it has to divide 48, and not be 0"
TRIES_ON = "a client that is refused tries again until T"
ZERO = "T of zero or less is given to the kernel as it is: there it means at once, here it means never"
MILLISECONDS = "perhaps T is taken for milliseconds: the call ended long before it"
ONE_DEADLINE = "perhaps one deadline for the whole call: T starts anew with each octet of the frame"
TIME_WAIT = "perhaps SO_REUSEADDR is not set before bind: the last connection is in TIME_WAIT"
LARGE_RECV = "the echo is read by one large recv, and what came with it is compared or lost"
PORT_UNCHECKED = "the port is not checked before the socket is opened"
ROUNDED = "perhaps the remaining time is rounded down, or T is measured from an earlier moment"
ANEW = "perhaps T starts anew with each call, where it is one deadline"
ALLOCATED = "the declared length is allocated before the octets arrive"
HELD = "a file is held in memory whole"
DESCRIPTOR = "a descriptor is not closed on one of the ways out"
INHERITED = "SOCK_CLOEXEC, or its like, is not set on a socket: a child that the program starts meanwhile holds it"
MODE = "the socket file's mode is left to the umask, or set after listen"
SIGPIPE = "a write to a connection that is gone raised SIGPIPE: ignore the signal, or set MSG_NOSIGNAL"
MORE_THAN_HELLO = "octets follow the hello: a client sends eight octets and no more"
NOT_CHECKED = "the message is not checked for UTF-8, or by a decoder that takes too much"
LATE_LIMIT = "perhaps a length is not compared with the limit before what it declares is read"
LATE_UTF8 = "perhaps a malformed message is not refused before the data length is read"
CLIENT_UNREAD = "perhaps the client closes with octets unread: it read less than was sent"
CLOSE_ENDLESS = "the wait for the client's end has no timeout, or octets from the client extend it"


def conduct(seen: Seen) -> str:
    """Returns the likely cause; empty if none is recognised."""
    found = _BY_SAW.get(seen.saw or seen.problem.axis)  # a case without `saw` uses its axis
    return found(seen) if found else ""


def _right_start(octets: bytes) -> bool:
    return octets[:5] == MAGIC[: len(octets)]


# ---- it waits


def _hangs(seen: Seen) -> str:
    if seen.role not in ("server", "client"):
        return ""
    if seen.role == "server" and seen.is_listening and not seen.has_right_message:
        return UNCHECKED
    if seen.is_left:
        return EOF_MISSED
    if (seen.timeout or 0) > 0 and seen.timeout is not None:
        return _timed(seen, seen.timeout)
    return _waits_for_more(seen)


def _timed(seen: Seen, timeout: int) -> str:
    """The call does not end although T has passed."""
    if not seen.is_connected:
        call = "accept" if seen.role == "server" else "connect"
        return f"{call} has no timeout, or a longer one"
    handshake = seen.sent_size < 8
    if seen.silence < timeout and len(seen.pieces) > 1:
        if handshake:
            return "T starts anew with each octet: the handshake has one deadline"
        if seen.role == "server":
            return "octets from the client count as progress: only octets of the frame do"
        return ""
    if handshake and seen.role == "server":
        return "the accepted connection has no timeout: T was set on the listening socket only, or nowhere"
    if handshake:
        return "the wait for the echo has no timeout"
    if seen.role == "client":
        return _waits_for_more(seen) if seen.frame.is_whole else "the wait for the frame has no timeout"
    if seen.phase == "confirming":
        return "the wait for the client's end has no timeout"
    if not seen.got_size:
        return SEND_OR_CLOSE
    return "the send has no timeout: a client that stops reading blocks it"


def _waits_for_more(seen: Seen) -> str:
    """The call waits for bytes that the spec does not allow it to wait for."""
    if seen.role == "server":
        if seen.sent_size < 8 and not _right_start(seen.sent):
            return EIGHT_FIRST
        if seen.phase == "confirming" and not seen.peer_ended:
            return NO_HALF_CLOSE
        return ""
    if seen.sent_size < 8:
        return ECHO_LAST if seen.sent != seen.got[: len(seen.sent)] else ""
    if seen.is_over_limit:
        return LATE_LIMIT
    if seen.is_malformed:
        return LATE_UTF8
    if not seen.frame.is_whole or seen.suite_ended:
        return ""
    return NEEDS_MORE


def _open(seen: Seen) -> str:
    """The connection is still open and should have ended."""
    if seen.answer.get("error"):
        return NOT_CLOSED
    if seen.is_ok and seen.role == "client":
        return LEFT_OPEN
    if seen.is_left:
        return EOF_MISSED
    return _waits_for_more(seen)


def _broken(seen: Seen) -> str:
    """The connection was gone when the suite sent."""
    is_piece = 0 < seen.sent_size < 8 and _right_start(seen.sent) and seen.error in ("", "error", "invalid-connection")
    return ONE_RECV if seen.role == "server" and is_piece else ""


def _silent(seen: Seen) -> str:
    """The implementation should have sent more, and the connection is open."""
    if seen.role == "client":
        return "" if seen.got_size else SPEAKS_SECOND
    if not seen.got_size:
        return MORE_HELLO if seen.sent_size else ""
    if seen.got_size == 8:
        return ECHO_ANSWER
    if seen.sent_size > 8 and seen.phase == "data":
        return BOTH_WRITE
    return ""


# ---- it ends


def _short(seen: Seen) -> str:
    """The implementation closed before it had sent everything; the sent bytes are correct."""
    if seen.role != "server":
        return ""
    if seen.sent_size > 8:
        if seen.error == "invalid-connection":
            return EXTRA
        if seen.peer_ended == "reset":
            return UNREAD
    if seen.suite_ended == "end" and seen.got_size <= 8:
        return "the client's half-close is taken for a hang-up"
    if seen.got_size < 8 and seen.pieces and seen.pieces[0] < 8:
        return ONE_RECV
    if seen.got_size == 0 and len(seen.sent) == 8 and _right_start(seen.sent):
        return _of_nonce(seen.sent[5:])
    if seen.suite_ended == "end" and seen.phase == "data":
        return CUT_SHORT
    if seen.error == "timeout" and seen.timeout is not None and seen.phase in ("data", "message"):
        return WHOLE
    if seen.phase == "data" and seen.is_ok:
        return ONE_SEND
    return ""


def _of_nonce(nonce: bytes) -> str:
    if b"\0" in nonce:
        return "the hello is handled as a C string: it ends at a NUL among the three octets"
    return ""


def _orderly(seen: Seen) -> str:
    return "" if seen.is_ok else ORDERLY


def _reset(seen: Seen) -> str:
    if seen.role == "client":
        return CLIENT_UNREAD if seen.frame.is_whole else ""
    return UNREAD if seen.sent_size > 8 else ""


# ---- it sends surplus bytes


def _surplus(seen: Seen) -> str:
    if seen.role == "client":
        return MORE_THAN_HELLO
    if seen.role != "server":
        return ""
    if seen.sent_size < 8:
        return TOO_EARLY
    if seen.sent[:5] != MAGIC:
        if len(seen.got) >= 8 and seen.got[:8] == seen.sent[:8]:
            return _of_magic(seen.sent[:5])
        return "it sends octets of its own: a greeting, or words about a wrong hello"
    if seen.is_answered_last and seen.sent_size > 8 and seen.got[:8] == seen.sent[:8]:
        return NINTH
    return ""


def _of_magic(sent: bytes) -> str:
    if sent.upper() == MAGIC:
        return "the magic is compared without regard to case"
    if sent[:4] == MAGIC[:4]:
        return "only a part of the magic is compared"
    return "the magic is not compared, or only after the echo was sent"


def _connects(seen: Seen) -> str:
    where = seen.problem.got
    if re.search(r"::ffff:(7f|127\.)", where):
        return MAPPED
    if re.search(r"listens on (0\.0\.0\.0|::)|to 127\.0\.0\.2|to 127\.255", where):
        return WILDCARD
    if "octets on a second" in where:
        return SERVES_MORE
    if "still open" in where:
        return KEEPS_LISTENING
    return ""


# ---- its result


def _accepts(seen: Seen) -> str:
    if seen.role == "address":
        return _of_address(seen)
    wanted = seen.problem.expected
    if "timeout" in wanted:
        drips = len(seen.pieces) > 1
        return PIECES if drips else ""
    if seen.role == "server" and "invalid-connection" in wanted:
        if seen.sent_size < 8 and seen.suite_ended and _right_start(seen.sent):
            return EOF_MISSED
        return _of_magic(seen.sent[:5]) if seen.sent_size >= 5 and seen.sent[:5] != MAGIC else ""
    if "unconfirmed" in wanted:
        return _of_unconfirmed(seen)
    if "malformed-message" in wanted:
        if "\ufffd" in str(seen.answer.get("message", "")):
            return REPLACED
        return NOT_CHECKED
    if "over-limit" in wanted:
        return OVER_LIMIT
    return ""


def _of_unconfirmed(seen: Seen) -> str:
    if seen.suite_ended == "reset":
        if _answered_at(seen) < next((event.at for event in seen.events if event.what == "reset"), 0.0):
            return "it reports success before the client has ended: it closes when the kernel has the last octet"
        return RESET_OK
    if seen.timeout and _answered_at(seen) >= seen.timeout and seen.has_answered_the_end:
        return CLOSE_ENDLESS
    if seen.timeout and _answered_at(seen) >= seen.timeout:
        return "it reports success though the wait for the client's end timed out"
    return "it reports success before the client has ended: it closes when the kernel has the last octet"


def _answered_at(seen: Seen) -> float:
    return max((event.at for event in seen.result.events if event.what == "answer"), default=0.0)


_PAIR = r"[0-9a-fA-F]{2}"


def _of_address(seen: Seen) -> str:
    if "port" in seen.request:
        port = seen.request["port"]
        if isinstance(port, int) and not 1 <= port <= 65535:
            return PACK_PORT
        return PACK_KEY
    text = str(seen.request.get("address", ""))
    if "\0" in text:
        return ADDRESS_NUL
    if text != text.strip():
        return STRIPS
    port, _, key = text.partition(".")
    groups = key.split(".")
    is_plain = all(re.fullmatch(_PAIR, group) for group in groups)
    if not re.fullmatch(r"[0-9]+", port, re.ASCII):
        return "perhaps the language's number parser reads the port: it takes signs, spaces or other digits, too"
    if port.startswith("0") and int(port):
        return "a port with leading zeros is taken"
    if int(port) > 65535 or int(port) == 0:
        return "the port is not compared with 1 and 65535"
    if is_plain and (len(groups) > 48 or 48 % len(groups)):
        return "the number of groups is not checked: it has to divide 48"
    if text.endswith("."):
        return "a dot after the last group is taken"
    if re.search(r"[-+_\s]|0[xX]", key):
        return GROUP_PARSER
    return "" if is_plain else TWO_DIGITS


_NAMES = {
    "in-use": "EADDRINUSE",
    "refused": "ECONNREFUSED",
}


def _name(seen: Seen) -> str:
    wanted, error = seen.problem.expected, seen.error or ("success" if seen.is_ok else "")
    if not error:
        return ""
    for name, code in _NAMES.items():
        if wanted == name:
            if name == "refused" and error == "timeout":
                return TRIES_ON
            return f"{code} is reported as {error}"
    if wanted == "truncated" and seen.suite_ended:
        return f"a close within the frame is reported as {error}"
    if wanted == "unconfirmed":
        if seen.suite_ended:
            return f"a client that left without its end is reported as {error}"
        return f"a client that does not end within T is reported as {error}"
    if wanted == "invalid-connection" and error == "timeout" and not seen.suite_ended:
        if seen.sent_size < 8:
            return EIGHT_FIRST if seen.role == "server" else ECHO_LAST
        return ""
    if wanted == "invalid-connection" and seen.suite_ended and error == "timeout":
        return EOF_MISSED
    if error == "invalid-connection" and seen.pieces and seen.pieces[0] < 8 and seen.sent_size < 8:
        return ONE_RECV
    return f"this failure is reported as {error}" if error in ("io", "error") else ""


def _refuses(seen: Seen) -> str:
    error, close = seen.error, seen.request.get("close")
    if error == "timeout" and isinstance(close, int) and close <= 0:
        return ZERO
    if error == "timeout" and seen.timeout and _answered_at(seen) < 0.3 * seen.timeout:
        return MILLISECONDS
    if error == "timeout" and seen.timeout and _answered_at(seen) >= 0.8 * seen.timeout and len(seen.pieces) > 1:
        return ONE_DEADLINE
    if error in ("in-use", "io") and seen.result.events and seen.role == "server":
        is_again = sum(event.what == "request" for event in seen.result.events) > 1
        if is_again and seen.request.get("port") and seen.result.events[-1].what != "octets":
            return TIME_WAIT
    if seen.role == "client" and error == "invalid-connection":
        if len(seen.pieces) > 1 and 0 < seen.pieces[0] < 8:
            return ONE_RECV
        if seen.pieces and seen.pieces[0] > 8 and seen.sent[:8] == seen.got[:8]:
            return LARGE_RECV
    if seen.role == "server" and error == "invalid-connection" and seen.pieces and seen.pieces[0] < 8:
        return ONE_RECV
    return ""


# ---- measurements


def _early(seen: Seen) -> str:
    if seen.error not in ("timeout", "unconfirmed"):
        return ""
    return MILLISECONDS if _answered_at(seen) < 0.3 * (seen.timeout or 0) else ROUNDED


def _late(seen: Seen) -> str:
    return ANEW if seen.error in ("timeout", "unconfirmed") else ""


def _memory(seen: Seen) -> str:
    data = seen.request.get("data")
    if seen.role == "client":
        return HELD if "to" in seen.request else ALLOCATED
    return HELD if isinstance(data, dict) and "file" in data else ""


def _residue(seen: Seen) -> str:
    got = seen.problem.got
    if "more descriptors" in got:
        return DESCRIPTOR
    if "more threads" in got:
        return "a thread of an exchange never ends"
    if "MiB more" in got:
        return "memory of an exchange is never freed"
    if "a child inherits" in got:
        return INHERITED
    if "has mode" in got:
        return MODE
    return ""


def _listens(seen: Seen) -> str:
    return UNCHECKED if not seen.has_right_message else PORT_UNCHECKED


def _crashes(seen: Seen) -> str:
    if re.search(r"SIGPIPE|signal 13\b", seen.problem.got) or (
        sys.platform == "linux" and "exit code 141" in seen.problem.got
    ):
        return SIGPIPE
    if "MemoryError" in seen.result.stderr or "out of memory" in seen.result.stderr.lower():
        return ALLOCATED
    if found := _SANITIZER.search(seen.result.stderr):
        return f"a sanitizer's report: {found[0].strip()}"
    return ""


_SANITIZER = re.compile(r"\b[A-Z]\w+Sanitizer: [a-z][\w -]+|\bruntime error: .+|\bDATA RACE\b")
"""The pattern of the one line of a report that names the fault."""

_BY_SAW: dict[str, Callable[[Seen], str]] = {
    "accepts": _accepts,
    "broken": _broken,
    "connects": _connects,
    "crashes": _crashes,
    "early": _early,
    "hangs": _hangs,
    "late": _late,
    "listens": _listens,
    "memory": _memory,
    "name": _name,
    "open": _open,
    "orderly": _orderly,
    "refuses": _refuses,
    "reset": _reset,
    "residue": _residue,
    "short": _short,
    "silent": _silent,
    "surplus": _surplus,
}
