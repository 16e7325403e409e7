"""The original module's names, for programs that were written for it: `server`, `client`, `close`, `msg`, `recieve`.

Deprecated: `Server` and `Client` do the same and more. Does: wraps those. Spec: "API names".
"""

from __future__ import annotations

import warnings
from typing import ClassVar

from .client import Client
from .server import Server
from .system import Data


def timeout_of(t: float) -> float | None:
    """Return the timeout that stands for the protocol's T in seconds: None if it is zero or negative (`time.never`)."""
    return t if t > 0 else None


class _End:
    """The original's fields: `close` is T in seconds, zero or negative for no limit."""

    _instead: ClassVar[str]

    def __init__(self) -> None:
        """Warn with DeprecationWarning."""
        name = type(self).__name__
        warnings.warn(f"kcom5.{name} is deprecated: use kcom5.{self._instead}", DeprecationWarning, stacklevel=2)
        self.ipv6 = True
        self.port = 13600
        self.close: float = 150
        self.msg: str | bytes = ""


class server(_End):
    """Deprecated: use `kcom5.Server`."""

    _instead = "Server"

    def send(self, data: Data) -> None:
        """Send `msg` and the data, as `kcom5.Server.send` does."""
        Server(ipv6=self.ipv6, port=self.port, timeout=timeout_of(self.close), message=self.msg).send(data)


class client(_End):
    """Deprecated: use `kcom5.Client`."""

    _instead = "Client"

    def recieve(self) -> bytes:
        """Return the data and set `msg`, as `kcom5.Client.receive` does. The original spelt it so."""
        new = Client(ipv6=self.ipv6, port=self.port, timeout=timeout_of(self.close))
        data = new.receive()
        self.msg = new.message
        return data
