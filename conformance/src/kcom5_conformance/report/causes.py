"""The likely cause of a failure.

A cause is a guess from the observations. It is given only if one bug is far likelier than all others.
`conduct` has those by behaviour; here are those by bytes.
"""

from __future__ import annotations

import re
from contextlib import suppress

from ..results import KEPT, Json, Result
from . import likely
from .conduct import conduct
from .dump import first_wrong
from .seen import MAGIC, Seen


def cause_of(result: Result, answer: Json | None = None) -> str:
    """Returns the likely cause of the first problem that has one; empty if none is recognised.

    `answer` is the adapter's last answer, unchanged. This never raises: an error while guessing means no cause.
    """
    for problem in result.problems:
        with suppress(Exception):
            seen = Seen(result, problem, answer or {})
            if found := _of_octets(seen) or conduct(seen):
                return found
    return ""


def _of_octets(seen: Seen) -> str:
    """Compares the sent bytes, or the delivery of a client, with the expected ones."""
    got = bytes.fromhex(seen.problem.stream)
    if seen.role == "client":
        return (_of_hello(got) if seen.saw in ("octets", "short", "silent", "surplus") else "") or _of_answer(seen)
    return _of_server(got, seen.wanted) if seen.role == "server" else ""


def _of_hello(got: bytes) -> str:
    """Returns the cause of a wrong hello."""
    if got and got[:5] != MAGIC:
        if got[:5].upper() == MAGIC:
            return "the magic is in lower case"
        if got[:5] == MAGIC[::-1] or got[:8][::-1].startswith(MAGIC):
            return "the hello is reversed: looks big-endian"
        if got[1::2][:2] == b"\0\0" or got[:1] == b"\0":
            return "the magic is UTF-16: it is five octets"
        if got.startswith(b"\xef\xbb\xbf"):
            return "a byte order mark stands before the magic"
    if got[:5] == MAGIC:
        rest = got[8:]
        if rest == b"\0":
            return "a trailing NUL: the hello is sent as a C string"
        if rest in (b"\n", b"\r\n"):
            return "a trailing newline: the hello is sent as a line"
        if len(got) in (11, 14) and re.fullmatch(rb"[0-9a-fA-F]{6}|[0-9a-fA-F]{9}", got[5:]):
            return "the nonce is written as hexadecimal digits: it is three octets"
        if len(got) < 8:
            return "fewer than eight octets: part of the hello was not sent"
    return ""


def _of_server(got: bytes, wanted: bytes) -> str:
    """Returns the cause of a difference between a server's bytes and the expected ones."""
    at = first_wrong(got, wanted)
    if not wanted or at is None or at == len(got):
        return ""
    if at < 8:
        return _of_echo(got, wanted, at)
    if at == len(wanted):
        return _of_surplus(got, wanted) if len(wanted) < KEPT else ""
    return _of_frame(got, wanted, at)


def _of_echo(got: bytes, wanted: bytes, at: int) -> str:
    if got[:8] == wanted[:8][::-1]:
        return "the echo is reversed: looks big-endian"
    if wanted[:8] in got[1:]:
        return likely.BEFORE_ECHO
    if at < 5 and len(got) >= 8 and len(wanted) > 12 and got[: len(wanted) - 8] == wanted[8:]:
        return "no echo: the frame is sent at once"
    if at < 5 and got[:5].upper() == MAGIC:
        return "the magic is in lower case"
    if at >= 5 and got[5:8] == b"\0\0\0":
        return "the nonce of the echo is zeros: only the magic is sent back"
    if at >= 5 and len(wanted) > 10 and got[5:8] == wanted[8:11]:
        return "the echo has no nonce: the frame follows the magic"
    if at >= 5:
        return likely.OWN_NONCE
    return ""


def _of_surplus(got: bytes, wanted: bytes) -> str:
    rest = got[len(wanted) :]
    if rest == b"\0":
        return "a trailing NUL after the data"
    if rest in (b"\n", b"\r\n"):
        return "a trailing newline after the data"
    if rest and wanted[8:].startswith(rest):
        return "the frame is sent twice"
    return "octets follow the data"


def _of_frame(got: bytes, wanted: bytes, at: int) -> str:
    size = int.from_bytes(wanted[8:12], "little")
    message = wanted[12 : 12 + size]
    text = message.decode("utf-8", "replace")
    data_at = 12 + size
    length = int.from_bytes(wanted[data_at : data_at + 8], "little")
    if at < 12:
        return _of_message_length(got, size, message, text, wanted)
    if at < data_at:
        return _of_message(got[12:], message, text)
    if at < data_at + 8:
        return _of_data_length(got[data_at:], length, wanted[data_at + 8 :])
    return _of_data(got[data_at + 8 :], wanted[data_at + 8 :])


def _of_message_length(got: bytes, size: int, message: bytes, text: str, wanted: bytes) -> str:
    field, rest = got[8:12], got[12:]
    value = int.from_bytes(field, "little")
    if len(field) < 4:
        return ""
    if field == size.to_bytes(4, "big"):
        return likely.BIG_MESSAGE
    if not size and len(wanted) >= 20 and got[8:16] == wanted[12:20]:
        return likely.DATA_FIRST if len(wanted) > 20 and len(got) == len(wanted) < KEPT else likely.NO_EMPTY
    if field == wanted[12 + size : 16 + size] and rest[:4] == bytes(4):
        return likely.DATA_FIRST
    if value == len(text) != size:
        return "the length counts characters, not octets"
    if value * 2 == len(text.encode("utf-16-le")) and value != size:
        return "the length counts UTF-16 units, not octets"
    if value == len(text.encode("utf-16-le")) and rest[:1] + rest[1:2] == text[:1].encode("utf-16-le")[:2]:
        return "the message is UTF-16"
    if value == len(text.encode("utf-16")) and rest[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "the message is UTF-16, with a byte order mark"
    if value == size + 1 and rest[size : size + 1] == b"\0":
        return "a trailing NUL is counted and sent: the message is handled as a C string"
    if value == size + 1 and rest[size : size + 1] == b"\n":
        return "a trailing newline is counted and sent with the message"
    if value == size + 3 and rest.startswith(b"\xef\xbb\xbf"):
        return "a byte order mark is added to the message"
    if value == size + 4:
        return "the message length counts its own four octets too"
    for width in (1, 2):
        if (
            message
            and got[8 : 8 + width] == size.to_bytes(4, "little")[:width]
            and got[8 + width :].startswith(message)
        ):
            return f"the message length is {width * 8} bits wide: it is 32"
    if got[8:].startswith(str(size).encode()) and not got[8:].startswith(b"\0"):
        return "the length is written in decimal digits: it is a number of four octets"
    return ""


def _of_message(got: bytes, message: bytes, text: str) -> str:
    if got.startswith(b"\0\0\0\0" + message[:8]) and message:
        return "the message length is 64 bits wide: it is 32"
    if b"\0" in message and got[: len(message)].rstrip(b"\0") == message.split(b"\0")[0]:
        return "the message ends at its first NUL: it is handled as a C string"
    if got.startswith(text.encode("utf-16-le")[: max(len(message), 2)]):
        return "the message is UTF-16"
    if got.startswith(text.encode("latin-1", "replace")) and not text.isascii():
        return "the message is Latin-1: it is UTF-8"
    if b"\xef\xbf\xbd" in got[: len(message) + 3] and b"\xef\xbf\xbd" not in message:
        return "the message is decoded with replacement characters (U+FFFD) and sent anew"
    return ""


def _of_data_length(got: bytes, length: int, data: bytes) -> str:
    field = got[:8]
    value = int.from_bytes(field, "little")
    if len(field) == 8 and field == length.to_bytes(8, "big"):
        return "the data length looks big-endian"
    if field.startswith(length.to_bytes(8, "little")[:4]) and (
        (data and got[4:].startswith(data[:16])) or (not data and len(got) == 4)
    ):
        return "the declared length was 32 bits: the data length is 64"
    if length >= 1 << 32 and value == length % (1 << 32):
        return "the data length went through 32 bits"
    if 0 < length < 1 << 32 and field[:4] == length.to_bytes(4, "big"):
        return "the declared length was 32 bits, and looks big-endian"
    if value == length + 8:
        return "the data length counts its own eight octets too"
    if value == length + 1:
        return "one octet too many is counted: a trailing NUL or newline"
    if got.startswith(b"\n") or got.startswith(b"\0" + length.to_bytes(8, "little")[:7]):
        return "a trailing NUL or newline follows the message, and is not counted"
    return ""


def _of_data(got: bytes, data: bytes) -> str:
    if got.startswith(data.replace(b"\n", b"\r\n")[: len(got)]) and b"\n" in data:
        return "line ends are changed: the data pass through a text mode"
    if got.startswith(data.decode("latin-1").encode()[: len(got)]):
        return "the data are encoded as text: octets from 80 up become two"
    if any(data) and not any(got):
        return "the data are zeros: the buffer was allocated and not filled"
    at = first_wrong(got, data) or 0
    if at >= 1 and not any(got[at:]) and any(data[at : len(got)]):
        return "from there on there are zeros: the buffer was allocated at its full size and filled in part"
    return ""


def _of_answer(seen: Seen) -> str:
    """Returns the cause of a difference between a client's delivery and the sent content."""
    answer, sent = seen.answer, seen.sent
    delivered = answer.get("data")
    if not answer.get("ok") or not isinstance(delivered, dict):
        return ""
    if seen.got and (at := first_wrong(sent[:8], seen.got[:8])) is not None:
        if at >= len(sent):
            return "the end of the stream in the echo is not looked at"
        return likely.ECHO_MAGIC if at >= 5 else likely.ECHO_TAKEN
    frame, said = seen.frame, answer.get("message")
    if (
        len(frame.message) == frame.message_size
        and isinstance(said, str)
        and (said.encode("utf-8", "surrogatepass") != frame.message)
    ):
        return _of_message_said(said, frame.message)
    if len(sent) < frame.head or not isinstance(delivered.get("size"), int):
        return ""
    return _of_data_said(seen, int(delivered["size"]), bytes.fromhex(str(delivered.get("hex", ""))))


def _of_data_said(seen: Seen, size: int, octets: bytes) -> str:
    frame = seen.frame
    if size != frame.data_size and size == int.from_bytes(frame.data_size.to_bytes(8, "little"), "big"):
        return likely.BIG_READ
    arrived = seen.sent_size - frame.head
    if size < frame.data_size and arrived < frame.data_size:
        return "the stream's end is taken for the end of the data: the declared length is not compared with what came"
    if size < frame.data_size:
        return "one recv per field: stops where the first piece ended"
    if size > frame.data_size:
        return "reads to the end of the stream instead of the declared length"
    if octets and seen.sent[frame.head - 4 :].startswith(octets):
        return "the data length is read as 32 bits: it is 64"
    piece = _piece(seen)
    if 0 < piece < len(octets) and octets[:piece] == frame.data[:piece] and not any(octets[piece:]):
        return "one recv per field: the buffer has the declared size, and is zeros where the first piece ended"
    return ""


def _piece(seen: Seen) -> int:
    """Returns the number of data bytes in the first piece that had any."""
    total = 0
    for size in seen.pieces:
        total += size
        if total > seen.frame.head:
            break
    return max(total - seen.frame.head, 0)


def _of_message_said(said: str, message: bytes) -> str:
    if "\ufffd" in said:
        return likely.REPLACED
    if b"\0" in message and said.encode() == message.split(b"\0")[0]:
        return "the message ends at its first NUL: it is handled as a C string"
    if message.startswith(b"\xef\xbb\xbf") and said.encode() == message[3:]:
        return "a byte order mark is taken away"
    if said.encode() == message.strip() or said.encode() == message.replace(b"\r\n", b"\n"):
        return "line ends or spaces of the message are changed"
    if said.encode("latin-1", "replace") == message:
        return "the message is decoded as Latin-1: it is UTF-8"
    if message.startswith(said.encode()):
        return "one recv per field: the message stops where the first piece ended"
    return ""
