"""The bytes of hello, echo and frame.

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
"""The most bytes of message that four bytes can declare (`message.length`)."""


def encode_message(message: str | bytes | bytearray | memoryview) -> bytes:
    """Return the bytes of a message to send.

    Raises MessageTooLong over 2**32 - 1 bytes (`message.too-long`), and then MessageNotUtf8 if they are not well-formed
    UTF-8 (`message.utf8`). A str with a lone surrogate is not, either.
    """
    # A lone surrogate passes here so that the length is judged before the form, as for bytes.
    octets = memoryview(message.encode("utf-8", "surrogatepass") if isinstance(message, str) else message)
    if octets.nbytes > MAX_MESSAGE:
        raise MessageTooLong(f"got a message of {octets.nbytes} bytes, expected at most {MAX_MESSAGE}")
    whole = bytes(octets)
    try:
        whole.decode()
    except UnicodeDecodeError:
        raise MessageNotUtf8("the message to send is not valid UTF-8") from None
    return whole


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
    """Return the index of the first byte that is not the expected one, or None if all are right so far."""
    for index, (octet, right) in enumerate(zip(octets, expected, strict=False)):
        if octet != right:
            return index
    return None
