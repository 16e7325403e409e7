"""The octets of hello, echo and frame.

Does: the constants, encoding and checking of the fields. Does not: know states, read or write.
Spec: "Wire format".
"""

from __future__ import annotations

from .errors import MessageNotUtf8, MessageTooLong

MAGIC = b"KCOM5"
NONCE_SIZE = 3
HELLO_SIZE = 5 + 3
MESSAGE_LENGTH_SIZE = 4
DATA_LENGTH_SIZE = 8
MAX_MESSAGE = 2**32 - 1
"""Octets of message that four octets can declare (`message.length`)."""


def encode_message(message: str | bytes | bytearray | memoryview) -> bytes:
    """Return the octets of a message to send.

    Raises MessageTooLong over 2**32 - 1 octets (`message.too-long`), and then MessageNotUtf8 if they are no
    well-formed UTF-8 (`message.utf8`): octets as they are given, and a str with a lone surrogate.
    """
    # A lone surrogate passes here so that the length is judged before the form, as for octets.
    octets = memoryview(message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message)
    if octets.nbytes > MAX_MESSAGE:
        raise MessageTooLong(f"got a message of {octets.nbytes} octets, expected at most {MAX_MESSAGE}")
    whole = bytes(octets)
    try:
        whole.decode()
    except UnicodeDecodeError as error:
        raise MessageNotUtf8(not_utf8(error)) from None
    return whole


def not_utf8(error: UnicodeDecodeError) -> str:
    """Say where a message is ill-formed. Its octets are not repeated."""
    return f"the message's octet at offset {error.start} of {len(error.object)}: {error.reason}, expected UTF-8"


def show(octets: bytes | bytearray) -> str:
    """Return octets in quotes, with an escape for each that is no printable ASCII."""
    return '"' + "".join(chr(o) if 32 <= o < 127 and o not in b'"\\' else f"\\x{o:02x}" for o in octets) + '"'


def encode_head(message: bytes, data_length: int) -> bytes:
    """Return the frame up to its data: message length, message and data length (`frame.order`)."""
    return b"".join(
        (
            len(message).to_bytes(MESSAGE_LENGTH_SIZE, "little"),
            message,
            data_length.to_bytes(DATA_LENGTH_SIZE, "little"),
        )
    )


def decode_length(octets: bytes | bytearray) -> int:
    """Return the number in a length field (`message.length`, `data.length`)."""
    return int.from_bytes(octets, "little")


def first_difference(octets: bytes | bytearray, expected: bytes) -> int | None:
    """Return the index of the first octet that is not the expected one, or None if all are right so far."""
    for index, (octet, right) in enumerate(zip(octets, expected, strict=False)):
        if octet != right:
            return index
    return None
