"""Likely causes by the result that a call gives: a success where it has to fail, another name, a failure.

See `conduct`.
"""

from __future__ import annotations

import re

from . import likely
from .seen import MAGIC, Seen


def of_magic(sent: bytes) -> str:
    if sent.upper() == MAGIC:
        return likely.MAGIC_CASE
    if sent[:4] == MAGIC[:4]:
        return likely.MAGIC_PART
    return likely.MAGIC_TAKEN


def accepts(seen: Seen) -> str:
    if seen.role == "address":
        return _of_address(seen)
    wanted = seen.problem.expected
    if "-X KCOM5" in seen.program:
        return likely.NINTH
    if "timeout" in wanted:
        drips = len(seen.pieces) > 1
        return likely.PIECES if drips else ""
    if seen.role == "server" and "invalid-connection" in wanted:
        if seen.sent_size < 8 and seen.suite_ended and seen.has_right_start:
            return likely.EOF_MISSED
        return of_magic(seen.sent[:5]) if seen.sent_size >= 5 and seen.sent[:5] != MAGIC else ""
    if "unconfirmed" in wanted:
        return _of_unconfirmed(seen)
    if "malformed-message" in wanted:
        if "\ufffd" in str(seen.answer.get("message", "")):
            return likely.REPLACED
        return likely.NOT_CHECKED
    if "over-limit" in wanted:
        return likely.OVER_LIMIT
    return ""


def _of_unconfirmed(seen: Seen) -> str:
    if seen.suite_ended == "reset":
        half_closed = [event.at for event in seen.events if event.who == "suite" and event.what == "end"]
        if half_closed and half_closed[0] < answered_at(seen):
            return likely.CUT_SHORT
        if answered_at(seen) < next((event.at for event in seen.events if event.what == "reset"), 0.0):
            return "it reports success before the client has ended: it closes when the kernel has the last octet"
        return likely.RESET_OK
    if seen.timeout and answered_at(seen) >= seen.timeout and seen.has_answered_the_end:
        return likely.CLOSE_ENDLESS
    if seen.timeout and answered_at(seen) >= seen.timeout:
        return "it reports success though the wait for the client's end timed out"
    return "it reports success before the client has ended: it closes when the kernel has the last octet"


def answered_at(seen: Seen) -> float:
    return max((event.at for event in seen.result.events if event.what == "answer"), default=0.0)


_PAIR = r"[0-9a-fA-F]{2}"


def _of_address(seen: Seen) -> str:
    if "port" in seen.request:
        port = seen.request["port"]
        if isinstance(port, int) and not 1 <= port <= 65535:
            return likely.PACK_PORT
        return likely.PACK_KEY
    text = str(seen.request.get("address", ""))
    if "\0" in text:
        return likely.ADDRESS_NUL
    if text != text.strip():
        return likely.STRIPS
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
        return likely.GROUP_PARSER
    return "" if is_plain else likely.TWO_DIGITS


_NAMES = {
    "in-use": "a place that is taken",
    "refused": "a place where nobody listens",
}


def name(seen: Seen) -> str:
    wanted, error = seen.problem.expected, seen.error or ("success" if seen.is_ok else "")
    if wanted == "message-not-utf8" and error in ("in-use", "io"):
        return likely.UNCHECKED
    if not error:
        return ""
    for name, what in _NAMES.items():
        if wanted == name:
            if name == "refused" and error == "timeout":
                return likely.TRIES_ON
            return f"{what} is reported as {error}"
    if error == "truncated" and seen.role == "client" and seen.frame.is_whole:
        return likely.NEEDS_MORE
    if wanted == "truncated" and seen.suite_ended:
        return f"a close within the frame is reported as {error}"
    if wanted == "unconfirmed":
        if seen.suite_ended:
            return f"a client that left without its end is reported as {error}"
        return f"a client that does not end within T is reported as {error}"
    if wanted == "invalid-connection" and error == "timeout" and not seen.suite_ended:
        if seen.sent_size < 8:
            return likely.EIGHT_FIRST if seen.role == "server" else likely.ECHO_LAST
        return ""
    if wanted == "invalid-connection" and seen.suite_ended and error == "timeout":
        return likely.EOF_MISSED
    if error == "invalid-connection" and seen.pieces and seen.pieces[0] < 8 and seen.sent_size < 8:
        return likely.ONE_RECV
    return f"this failure is reported as {error}" if error in ("io", "error") else ""


def refuses(seen: Seen) -> str:
    error, close = seen.error, seen.request.get("close")
    if error == "unconfirmed" and seen.role == "server" and seen.is_connected and seen.ends_late:
        return likely.NO_HALF_CLOSE
    if error == "timeout" and isinstance(close, int) and close <= 0:
        return likely.ZERO
    if error == "timeout" and seen.timeout and answered_at(seen) < 0.3 * seen.timeout:
        return likely.MILLISECONDS
    if error == "timeout" and seen.timeout and answered_at(seen) >= 0.8 * seen.timeout and len(seen.pieces) > 1:
        return likely.ONE_DEADLINE
    if error in ("in-use", "io") and seen.result.events and seen.role == "server":
        is_again = sum(event.what == "request" for event in seen.result.events) > 1
        if is_again and seen.request.get("port") and seen.result.events[-1].what != "octets":
            return likely.TIME_WAIT
    if seen.role == "client" and error == "invalid-connection":
        if len(seen.pieces) > 1 and 0 < seen.pieces[0] < 8:
            return likely.ONE_RECV
        if seen.pieces and seen.pieces[0] > 8 and seen.sent[:8] == seen.got[:8]:
            return likely.LARGE_RECV
    if seen.role == "server" and error == "invalid-connection" and seen.pieces and seen.pieces[0] < 8:
        return likely.ONE_RECV
    return ""
