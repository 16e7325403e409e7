"""A conversation as data: the acts of the peer, and the request to the implementation.

A script can be written as a vector (vectors/README.md) and as a line of JSON that `--save` keeps.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, Literal

from ..results import Json

MAGIC = b"KCOM5"
HELLO = b"KCOM5\xaa\xbb\xcc"
DEFAULT_LIMIT = 1 << 24

MOST_BOUND = 3600
"""The maximum of T in seconds that a script waits for. A longer one does not pass while it is played."""
MOST_TEXT = 1000
"""The maximum size of a script in characters."""
MOST_UNPACKED = 64 << 20

Step = tuple[Any, ...]
"""An act of the peer:

    ("send", bytes)       sends bytes; a server's first eight are exclusive-or with the client's hello
    ("fill", size, fill)  sends `size` bytes by a rule
    ("read", count)       reads `count` expected bytes; -1 for all that are left
    ("nothing",)          checks that nothing arrives within a tick
    ("end",)              waits for the implementation's end of the stream
    ("half-close",) ("close",) ("reset",)
    ("pause", "tick" or "most")   waits a moment, or 0.6 T
    ("stall",)            does nothing until the implementation has ended
    ("connect",)          connects a client; without it the client connects at the start
    ("late",)             a second client dials
    ("unread",)           only for a server and first: it does not read the hello
    ("nobody",) ("full",) only for a server and alone: it does not listen, or its queue is full and it never accepts
"""


@dataclass(frozen=True)
class Octets:
    """Bytes by a rule, as in a vector: `size` bytes of `fill`, which is `counter251` or hexadecimal."""

    size: int = 0
    fill: str = "counter251"

    def make(self) -> bytes:
        return _filled(self.size, self.fill)

    @property
    def digest(self) -> str:
        """Returns their SHA-256."""
        return _digest(self.size, self.fill)

    def to_json(self) -> Json:
        """Returns them as in a request or a vector. A fill of several bytes is written out."""
        if self.fill != "counter251" and len(self.fill) > 2:
            return {"hex": self.make().hex()}
        return {"size": self.size, "fill": self.fill}


@cache
def _unit(fill: str) -> bytes:
    return bytes(range(251)) if fill == "counter251" else bytes.fromhex(fill)


@lru_cache(8)
def _filled(size: int, fill: str) -> bytes:
    unit = _unit(fill)
    return (unit * (size // len(unit) + 1))[:size]


@cache
def _digest(size: int, fill: str) -> str:
    return hashlib.sha256(_filled(size, fill)).hexdigest()


@dataclass(frozen=True)
class Script:
    """One conversation."""

    role: Literal["server", "client"]
    """The implementation's role."""
    via: str = "tcp6"
    steps: tuple[Step, ...] = ()
    close: int = 30
    """T."""
    message: bytes = b""
    """The content for a server to send."""
    data: Octets = Octets()
    limits: tuple[int | None, int | None] = (None, None)
    """The client's limits of the message and the data."""
    before: str | None = None
    """The value of the client's message field before the call."""
    in_file: bool = False
    """Whether the data is sent from a file, or stored in one."""
    port: int | None = None
    """The requested port, over TCP."""

    @property
    def is_limited(self) -> bool:
        """Returns whether T can pass while it is played."""
        return 0 < self.close <= MOST_BOUND

    @property
    def bound(self) -> float:
        """Returns T in seconds, which scales the pauses; 1 for a script without a timeout."""
        return float(self.close) if self.is_limited else 1.0

    @property
    def is_timed(self) -> bool:
        """Returns whether it waits for a part of T or longer."""
        return any(step[0] in ("stall", "full") or step == ("pause", "most") for step in self.steps)

    @property
    def waits(self) -> float:
        """Returns the seconds that it waits for parts of T."""
        parts = {("pause", "most"): 0.6, ("stall",): 1.0, ("full",): 1.0}
        return self.bound * sum(parts.get(step, 0.0) for step in self.steps)

    def frame(self) -> bytes:
        """Returns the bytes that a server must send after the echo."""
        head = len(self.message).to_bytes(4, "little") + self.message + self.data.size.to_bytes(8, "little")
        return head + self.data.make()

    def to_json(self) -> Json:
        """Returns everything as JSON, for `--save`."""
        return {
            "role": self.role,
            "via": self.via,
            "steps": [[part.hex() if isinstance(part, bytes) else part for part in step] for step in self.steps],
            "close": self.close,
            "message": self.message.hex(),
            "data": [self.data.size, self.data.fill],
            "limits": list(self.limits),
            "before": self.before,
            "in_file": self.in_file,
            "port": self.port,
        }

    def __str__(self) -> str:
        return json.dumps(self.to_json())


def from_json(document: Json) -> Script:
    """Inverts `to_json`. Raises ValueError, KeyError or TypeError for invalid input."""
    steps = tuple((step[0], bytes.fromhex(step[1])) if step[0] == "send" else tuple(step) for step in document["steps"])
    return replace(
        Script(document["role"], document["via"], steps),
        close=int(document["close"]),
        message=bytes.fromhex(document["message"]),
        data=Octets(*document["data"]),
        limits=(document["limits"][0], document["limits"][1]),
        before=document["before"],
        in_file=bool(document["in_file"]),
        port=document["port"],
    )


def to_text(script: Script) -> str:
    """Returns the script as one word of a command line: JSON, or compressed if that is shorter."""
    text = str(script)
    return text if len(text) <= MOST_TEXT else base64.b64encode(zlib.compress(text.encode())).decode()


def from_text(text: str) -> Script:
    """Inverts `to_text`. Raises ValueError for invalid input."""
    try:
        if not text.lstrip().startswith("{"):
            text = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), MOST_UNPACKED).decode()
        return from_json(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError, zlib.error) as error:
        raise ValueError(f"it cannot be decoded ({type(error).__name__})") from None


def to_vector(script: Script, rule: str, level: str, note: str, outcome: Json) -> Json:
    """Returns the script as a vector of vectors/*.json, with the right `outcome`."""
    name = hashlib.sha256(str(script).encode()).hexdigest()[:8]
    give: Json = {}
    if script.close != 30:
        give["close"] = script.close
    if script.role == "server":
        give |= _given(script)
    elif any(limit is not None for limit in script.limits):
        names = zip(("message", "data"), script.limits, strict=True)
        give["limits"] = {name: limit for name, limit in names if limit is not None}
    if script.port is not None:
        give["port"] = script.port
    vector: Json = {"id": f"{rule}/explored-{name}", "rule": rule, "level": level, "role": script.role, "note": note}
    if give:
        vector["give"] = give
    vector |= {"steps": _vector_steps(script), "outcome": outcome, "via": [script.via]}
    if script.steps[:1] in ((("nobody",),), (("full",),)):
        vector |= {"setup": script.steps[0][0], "live": True}
    return vector if not script.is_timed else {**vector, "live": True}


def _given(script: Script) -> Json:
    give: Json = {}
    if script.message:
        try:
            text = script.message.decode()
        except UnicodeDecodeError:
            give["message"] = {"size": len(script.message), "fill": script.message[:1].hex()}
        else:
            give["message"] = text
    if script.data.size:
        by_rule = script.data.to_json()
        give["data"] = by_rule if "size" in by_rule else script.data.make().hex(" ")
    return give


def _vector_steps(script: Script) -> list[list[Any]]:
    """Returns the steps as a vector writes them."""
    if not script.steps or script.steps[0][0] in ("nobody", "full"):
        return [["stall"]] if script.steps == (("full",),) else []
    is_heard = script.role == "client" and script.steps[0] != ("unread",)
    steps: list[list[Any]] = [["expect", "4b 43 4f 4d 35 n0 n1 n2"]] if is_heard else []
    sent = seen = 0
    whole = HELLO + script.frame() if script.role == "server" else b""
    if script.role == "server":
        hello = b"".join(step[1] for step in script.steps if step[0] == "send")[:8]
        whole = hello + whole[8:]
    for step in script.steps:
        kind = step[0]
        if kind == "send":
            steps.append(["send", _pairs(step[1], sent if script.role == "client" else 8)])
            sent += len(step[1])
        elif kind == "fill":
            steps.append(["send", {"size": step[1], "fill": step[2]}])
        elif kind == "read":
            end = len(whole) if step[1] < 0 else min(len(whole), seen + step[1])
            steps += [["expect", part] for part in _expected(script, whole, seen, end)]
            seen = end
        elif kind != "unread":
            names = {"nothing": "expect-nothing", "end": "expect-end", "late": "expect-refused"}
            steps.append([names.get(kind, kind), *step[1:]])
    return steps


def _expected(script: Script, whole: bytes, start: int, end: int) -> list[Any]:
    """Returns the bytes from `start` to `end` as a vector writes them, with long data by its rule if possible."""
    at = max(start, len(whole) - script.data.size)
    is_one = len(script.data.fill) == 2
    if end - at > 64 and (is_one or (script.data.fill == "counter251" and at == len(whole) - script.data.size)):
        return [part for part in (whole[start:at].hex(" "), {"size": end - at, "fill": script.data.fill}) if part]
    return [whole[start:end].hex(" ")] if end > start else []


def _pairs(octets: bytes, at: int) -> str:
    """Returns hexadecimal pairs; those of an echo are relative to the hello."""
    pairs = []
    for number, octet in enumerate(octets, at):
        if number >= 8:
            pairs.append(f"{octet:02x}")
        else:
            base = f"{MAGIC[number]:02x}" if number < 5 else f"n{number - 5}"
            pairs.append(f"{base}^{octet:02x}" if octet else base)
    return " ".join(pairs)
