"""A program that shows a failure without the suite.

It starts the implementation through its adapter, does what the case did, and prints what comes back and what the
adapter answers. Against an implementation that is right it prints something else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from ..results import Json

_PLACES = {
    "tcp6": ("AF_INET6", '("::1", port)'),
    "tcp4": ("AF_INET", '("127.0.0.1", port)'),
    "unix": ("AF_UNIX", "path"),
}
_TOKEN = re.compile(r"([0-9a-f]{2}|n[012])(?:\^([0-9a-f]{2}))?")

Act = tuple[str, str | bytes]
"""("send", hexadecimal, with `n0 n1 n2` for the nonce of the client's hello), ("send", octets), ("expect", count),
("half-close", ""), ("close", ""), ("reset", "") or ("wait", seconds)."""


def reproduction(role: str, via: str, acts: Sequence[Act], command: Sequence[str], request: Json, cwd: str = "") -> str:
    """The program, for a shell. `request` is that of the case; `command` starts the adapter, from the folder `cwd`."""
    family, address = _PLACES[via]
    place = "path" if via == "unix" else "port"
    asked = {key: value for key, value in request.items() if key not in ("port", "path")}
    modules = {"json", "select", "socket", "subprocess", "tempfile" if via == "unix" else "socket"}
    modules |= {"struct"} if any(act == "reset" for act, _ in acts) else set()
    modules |= {"time"} if any(act == "wait" for act, _ in acts) else set()
    folder = f", cwd={cwd!r}" if cwd else ""
    lines = [
        "python3 - <<'E'",
        f"import {', '.join(sorted(modules))}",
        f"adapter = subprocess.Popen({list(command)!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE{folder})",
        f"request = {asked!r}",
        *(['path = tempfile.mkdtemp() + "/socket"'] if via == "unix" else []),
        "def ask():",
        "    adapter.stdin.write(json.dumps(request).encode() + b'\\n'); adapter.stdin.flush()",
        "def answer():",
        "    came = select.select([adapter.stdout], [], [], 10)[0]",
        "    return adapter.stdout.readline().decode().strip() if came else 'none within 10 s'",
    ]
    if role == "client":
        lines += [
            f"listener = socket.socket(socket.{family})",
            *(["port = 0"] if via != "unix" else []),
            f"listener.bind({address}); listener.listen(); listener.settimeout(10)",
            *(["port = listener.getsockname()[1]"] if via != "unix" else []),
            f"request['{place}'] = {place}; ask()",
            "s = listener.accept()[0]; s.settimeout(5)",
        ]
    else:
        lines += [
            f"request['{place}'] = {place if via == 'unix' else 0}; ask()",
            f"{place} = json.loads(answer())['listening']",
            f"s = socket.socket(socket.{family}); s.settimeout(5); s.connect({address})",
        ]
    lines += [
        "def send(octets):",
        "    try: s.sendall(octets)",
        "    except OSError as error: print('not sent:', error)",
        "def take(n):",
        "    got = b''",
        "    try:",
        "        while len(got) < n and (piece := s.recv(min(n - len(got), 65536))): got += piece",
        "        how = 'and goes on' if len(got) == n else 'and then the end'",
        "    except OSError as error: how = f'and then {error}'",
        "    print(len(got), 'octets', got[:32].hex(' '), how); return got",
        *_steps(acts),
        "print('answer:', answer()); adapter.kill()",
    ]
    return "\n".join([*lines, "E"]) + "\n"


def _steps(acts: Sequence[Act]) -> list[str]:
    lines, is_greeted, is_closed = [], False, False
    for act, value in acts:
        match act:
            case "send":
                lines.append(f"send({_literal(value) if isinstance(value, bytes) else _expression(value)})")
            case "expect":
                lines.append(f"{'' if is_greeted else 'hello = '}take({int(value)})")
                is_greeted = True
            case "half-close":
                lines.append("s.shutdown(socket.SHUT_WR)")
            case "wait":
                lines.append(f"time.sleep({float(value)})")
            case "reset":
                lines.append("s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()")
                is_closed = True
            case "close":
                lines.append("s.close()")
                is_closed = True
            case _:
                raise ValueError(f"no such act: {act!r}")
    return lines if is_closed else [*lines, "take(1 << 62)"]


def _expression(text: str) -> str:
    """Python that gives these octets, short also for long runs of one octet and of i mod 251."""
    parts: list[str] = []
    plain = bytearray()
    for token in _tokens(text):
        if isinstance(token, int):
            plain.append(token)
            continue
        if plain:
            parts.append(_literal(bytes(plain)))
            plain.clear()
        parts.append(token)
    if plain or not parts:
        parts.append(_literal(bytes(plain)))
    return " + ".join(parts).replace("hello[5:6] + hello[6:7] + hello[7:8]", "hello[5:8]")


def _tokens(text: str) -> list[int | str]:
    compact = "".join(text.split())
    found: list[int | str] = []
    at = 0
    while at < len(compact):
        match = _TOKEN.match(compact, at)
        if match is None:
            raise ValueError(f"no octets: {compact[at : at + 12]!r}")
        name, mask = match[1], int(match[2] or "00", 16)
        if name[0] == "n":
            index = 5 + int(name[1])
            found.append(f"hello[{index}:{index + 1}]" if not mask else f"bytes([hello[{index}] ^ {mask:#04x}])")
        else:
            found.append(int(name, 16) ^ mask)
        at = match.end()
    return found


def _literal(octets: bytes) -> str:
    if len(octets) <= 64:
        return f'bytes.fromhex("{octets.hex(" ")}")'
    for head in range(65):
        rest = octets[head:]
        if len(rest) < 32:
            break
        if not rest.strip(rest[:1]):
            tail = f"bytes([{rest[0]}]) * {len(rest)}"
        elif rest[:251] == bytes(range(251))[: len(rest)] and all(one == other for one, other in _shifted(rest)):
            tail = f"bytes(i % 251 for i in range({len(rest)}))"
        else:
            continue
        return f"{_literal(octets[:head])} + {tail}" if head else tail
    return f'bytes.fromhex("{octets.hex()}")'


def _shifted(octets: bytes) -> Iterable[tuple[bytes, bytes]]:
    """Each run of 251 octets beside the one after it."""
    runs = [octets[at : at + 251] for at in range(0, len(octets), 251)]
    return ((one[: len(other)], other) for one, other in pairwise(runs))
