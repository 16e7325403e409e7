"""KCOM5: one process hands a message and a block of bytes to another on the same computer, once.

    with kcom5.Server(port=0, message="hi").open() as listening:
        start_the_other_process(listening.port)
        listening.send(b"data")

    client = kcom5.Client(port=port)
    data = client.receive()  # and client.message

`kcom5.aio` has the same classes for asyncio, `kcom5.compat` the names of the original module. Spec: "API names".
"""

from . import _start as _start
from .address import pack, unpack
from .client import Client
from .compat import client, server
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
from .server import Listening, Sent, Server

# `client` and `server` are classes of the original. `compat` imports the modules of these names first.
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
    "Sent",
    "Server",
    "Timeout",
    "Truncated",
    "Unconfirmed",
    "client",
    "pack",
    "server",
    "unpack",
]
