"""KCOM5: one process hands a message and a block of octets to another on the same computer, once.

    with kcom5.Server(port=0, msg="hi").open() as listening:
        start_the_other_process(listening.port)
        listening.send(b"data")

    client = kcom5.Client(port=port)
    data = client.receive()  # and client.msg

`pack`, `unpack`, `server`, `client`, `send` and `recieve` are the original module's names. `kcom5.aio` has the same
classes for asyncio. Spec: "API names".
"""

from . import _start as _start
from .address import pack, unpack
from .client import Client
from .errors import (
    InUse,
    InvalidAddress,
    InvalidConnection,
    InvalidKey,
    InvalidPort,
    Io,
    KcomError,
    MalformedMessage,
    MessageNotUtf8,
    MessageTooLong,
    OverLimit,
    Refused,
    Timeout,
    Truncated,
    Unconfirmed,
)
from .exchange import Limits
from .server import Listening, Server

# The modules of these names are behind the classes: the original has functions here.
server = Server
client = Client

__version__ = "1.0.0"

__all__ = [
    "Client",
    "InUse",
    "InvalidAddress",
    "InvalidConnection",
    "InvalidKey",
    "InvalidPort",
    "Io",
    "KcomError",
    "Limits",
    "Listening",
    "MalformedMessage",
    "MessageNotUtf8",
    "MessageTooLong",
    "OverLimit",
    "Refused",
    "Server",
    "Timeout",
    "Truncated",
    "Unconfirmed",
    "client",
    "pack",
    "server",
    "unpack",
]
