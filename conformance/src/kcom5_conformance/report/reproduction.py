"""A program that shows a failure without the suite.

It starts the implementation through its adapter, repeats the acts of the case, and prints the received bytes and the
adapter's answers. With a correct implementation its output differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from ..results import Problem

_PLACES = {
    "tcp6": ("AF_INET6", '"::1"'),
    "tcp4": ("AF_INET", '"127.0.0.1"'),
    "unix": ("AF_UNIX", ""),
}
_TOKEN = re.compile(r"([0-9a-f]{2}|n[012])(?:\^([0-9a-f]{2}))?")
_RUN = re.compile(rb"(.)\1{63,}", re.DOTALL)
MOST_ACTS = 150
MOST_SIZE = 32 << 10
"""Characters of a program."""
_ROUNDS = 20
"""The number of repetitions of a conversation that leaks."""
_FEW_ROUNDS = 3
"""The number of repetitions if each takes a timeout, or if nonces are compared."""
_HELD = re.compile(r"descriptor|thread|process|KiB|MiB|children|temporary")


class Act(NamedTuple):
    """An act of the suite; `end` is the number of the connection, from 0."""

    what: str
    """`ask` sends a request; `answer` waits for its answer. `listen` takes a place; `nobody` names a place without a
    listener; `full` fills the listener's queue; `accept`; `connect` takes a host or a path. `send` takes bytes, or
    hexadecimal with `n0 n1 n2` for the nonce of the client's hello, optionally followed by bytes. `expect` takes a
    number of bytes; `look` reads for some seconds; `half-close`, `close` and `reset`. `wait` takes seconds; `stop` and
    `go on` control the process; `file` takes a path and bytes."""
    value: object = ""
    end: int = 0


def why_not(problem: Problem | None, acts: Sequence[Act]) -> str:
    """Returns why no program can show this; empty if one can."""
    if problem is not None and problem.axis == "memory":
        return "the suite measures the memory of the process while the case runs"
    if not any(act.what == "ask" for act in acts):
        return "nothing was asked of the implementation"
    return f"it takes {len(acts)} steps" if len(acts) > MOST_ACTS else ""


def reproduction(
    via: str,
    acts: Sequence[Act],
    command: Sequence[str],
    cwd: str = "",
    folder: str = "",
    problem: Problem | None = None,
) -> tuple[str, str]:
    """Returns the program, for a shell, and ""; or "" and the reason why there is none. `command` starts the adapter in
    the folder `cwd`. Paths in `folder`, the case's folder, become paths of a new folder."""
    body = _Body(via, folder).lines(acts)
    text = "\n".join(body)
    if "folder" in text:
        body.insert(0, "folder = tempfile.mkdtemp()")
    rounds, is_held = _rounds(problem, acts)
    before = [
        f"adapter = subprocess.Popen({list(command)!r}, stdin=subprocess.PIPE, stdout=subprocess.PIPE"
        f"{f', cwd={cwd!r}' if cwd else ''})",
        # Otherwise the start of the process would be part of the measured times.
        'adapter.stdin.write(b\'{"op":"about"}\\n\'); adapter.stdin.flush(); adapter.stdout.readline()',
        *(_HOLDS if is_held else ["say = print"]),
    ]
    for name, lines in _HELPERS.items():
        if f"{name}(" in text:
            before += lines
    if rounds > 1:
        body = [f"for turn in range({rounds}):", *(f"    {line}" for line in body)]
        body += [f"    if turn in ({rounds // 2}, {rounds - 1}): print('after', turn + 1, held())"] if is_held else []
    whole = [*before, *body, "adapter.kill()"]
    modules = sorted(name for name in _MODULES if any(f"{name}." in line for line in whole))
    made = "\n".join(["python3 - <<'E'", f"import {', '.join(modules)}", *whole, "E"]) + "\n"
    return (made, "") if len(made) <= MOST_SIZE else ("", f"a program would have {len(made):,} characters")


def _rounds(problem: Problem | None, acts: Sequence[Act]) -> tuple[int, bool]:
    """Returns how often the acts must be repeated to show the problem, and whether the process's resources show it."""
    asked = [act.value for act in acts if act.what == "ask"]
    if problem is not None and problem.axis == "residue" and _HELD.search(problem.got):
        is_timed = any(isinstance(request, dict) and 0 < request.get("close", 30) < 20 for request in asked)
        return _FEW_ROUNDS if is_timed else _ROUNDS, True
    is_same_nonce = problem is not None and problem.saw == "predictable" and len(asked) == 1
    return _FEW_ROUNDS if is_same_nonce else 1, False


_MODULES = ("glob", "json", "os", "select", "signal", "socket", "struct", "subprocess", "tempfile", "time")
_HELPERS = {
    "ask": [
        "def ask(request):",
        "    global since; since = time.monotonic()",
        "    adapter.stdin.write(json.dumps(request).encode() + b'\\n'); adapter.stdin.flush()",
    ],
    "answer": [
        "def answer(within=10):",
        "    came = select.select([adapter.stdout], [], [], within)[0]",
        "    line = adapter.stdout.readline().decode().strip() if came else 'none'",
        "    say(f'after {time.monotonic() - since:.2f} s the answer is', line); return line",
    ],
    "connect": [
        "def connect(family, address):",
        "    s = socket.socket(family); s.settimeout(5)",
        "    try: s.connect(address)",
        "    except OSError as error: say('not connected:', error)",
        "    return s",
    ],
    "accept": [
        "def accept():",
        "    try: s = listener.accept()[0]",
        "    except OSError as error: say('no client:', error); s = socket.socket()",
        "    return s",
    ],
    "send": [
        "def send(s, octets):",
        "    try: s.sendall(octets)",
        "    except OSError as error: say('not sent:', error)",
    ],
    "take": [
        "def take(s, n, within=5):",
        "    got = b''; s.settimeout(within)",
        "    try:",
        "        while len(got) < n and (piece := s.recv(min(n - len(got), 65536))): got += piece",
        "        how = 'and goes on' if len(got) == n else 'and then the end'",
        "    except OSError as error: how = f'and then {error}'",
        "    say(len(got), 'octets', got[:32].hex(' '), how); return got",
    ],
    "half_close": [
        "def half_close(s):",
        "    try: s.shutdown(socket.SHUT_WR)",
        "    except OSError as error: say('no half-close:', error)",
    ],
}
"""Functions, in the order in which they are defined."""
_HOLDS = [
    "def say(*words): pass",
    "def family(pid):",
    "    yield pid",
    "    for name in glob.glob(f'/proc/{pid}/task/*/children'):",
    "        for child in open(name).read().split(): yield from family(int(child))",
    "def held():",
    "    pids = list(family(adapter.pid))",
    "    of = {name: sum(len(os.listdir(f'/proc/{pid}/{name}')) for pid in pids) for name in ('fd', 'task')}",
    "    pages = sum(int(open(f'/proc/{pid}/statm').read().split()[1]) for pid in pids)",
    '    return f\'{len(pids)} processes, {of["fd"]} descriptors, {of["task"]} threads, {pages * 4} KiB\'',
]


class _Body:
    """The acts as lines."""

    def __init__(self, via: str, folder: str) -> None:
        self.via, self.folder = via, folder
        self.family, self.host = f"socket.{_PLACES[via][0]}" if via else "", _PLACES[via][1] if via else ""
        self.made: list[str] = []
        self.ends: list[str] = []
        """The open connections."""
        self.place: object = None
        """The place of the suite's listener."""
        self.is_owed = self.is_server = False
        """Whether an answer is pending."""
        self.is_greeted = False
        self.within = ""

    def lines(self, acts: Sequence[Act]) -> list[str]:
        for number, act in enumerate(acts):
            self._act(act, [later.what for later in acts[number + 1 :]])
        self.made += [f"take({end}, 1 << 62)" for end in self.ends]
        self._answer()
        if any("folder" in line for line in self.made):
            self.made += [
                "for path in glob.glob(folder + '/**', recursive=True):",
                "    say(path, oct(os.stat(path).st_mode), os.path.isfile(path) and open(path, 'rb').read(32))",
            ]
        return self.made

    def _act(self, act: Act, later: list[str]) -> None:
        add, end, value = self.made.append, f"s{act.end}", act.value
        match act.what:
            case "ask":
                self._ask(value, later)
            case "answer":
                self._answer()
            case "listen" | "nobody":
                self._listen(value, act.what == "listen", 0 if later[:1] == ["full"] else 8)
            case "full":
                add(f"fillers = [socket.socket({self.family}) for _ in range(16)]")
                add("for filler in fillers: filler.setblocking(False); filler.connect_ex(listener.getsockname())")
            case "accept" | "connect":
                self.ends.append(end)
                self.is_greeted = self.is_greeted and act.what == "connect"
                address = (
                    self._shown(value) if self.via == "unix" else f"({repr(value) if value else self.host}, place)"
                )
                add(f"{end} = accept()" if act.what == "accept" else f"{end} = connect({self.family}, {address})")
            case "send":
                add(f"send({end}, {_octets(value)})")
            case "expect":
                add(f"{'' if self.is_greeted else 'hello = '}take({end}, {value})")
                self.is_greeted = True
            case "look":
                add(f"take({end}, 1 << 62, {value})")
            case "half-close":
                add(f"half_close({end})")
            case "wait":
                add(f"time.sleep({value})")
            case "reset" | "close":
                abort = f"{end}.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); "
                add(f"{abort if act.what == 'reset' else ''}{end}.close()")
                self.ends = [one for one in self.ends if one != end]
            case "stop" | "go on":
                add(f"adapter.send_signal(signal.{'SIGSTOP' if act.what == 'stop' else 'SIGCONT'})")
            case "file":
                assert isinstance(value, tuple)
                add(f"open({self._placed(value[0])}, 'wb').write({_literal(value[1])})")
            case _:
                raise ValueError(f"no such act: {act.what!r}")

    def _placed(self, value: object) -> str:
        """Returns the value as Python, and adds lines that create its folders."""
        text = self._shown(value)
        for inner in dict.fromkeys(re.findall(r"folder \+ '/([^']+)/[^'/]+'", text)):
            self.made.append(f"os.makedirs(folder + '/{inner}', exist_ok=True)")
        return text

    def _shown(self, value: object) -> str:
        """Returns the value as Python, with names for the case's folder and the listener's place."""
        text = repr(value)
        if self.folder:
            text = text.replace(f"'{self.folder}", "folder + '")
        return re.sub(rf"'port': {self.place}\b", "'port': place", text) if isinstance(self.place, int) else text

    def _listen(self, place: object, is_there: bool, backlog: int) -> None:
        self.place = place
        name = "listener" if is_there else "nobody"
        if any(line.startswith("listener = ") for line in self.made):
            self.made.append("listener.close()")
            if self.via == "unix":
                self.made.append(f"os.unlink({self._shown(place)})")
        address = self._shown(place) if self.via == "unix" else f"({self.host}, 0)"
        if is_there or self.via != "unix":
            self.made.append(f"{name} = socket.socket({self.family}); {name}.bind({address})")
        if is_there:
            self.made.append(f"listener.listen({backlog}); listener.settimeout(10)")
        if self.via != "unix":
            self.made.append(f"place = {name}.getsockname()[1]")

    def _ask(self, request: object, later: list[str]) -> None:
        assert isinstance(request, dict)
        self._answer()
        self.made.append(f"ask({self._placed(request)})")
        self.is_owed, close = True, request.get("close", 30)
        self.within = str(close + 6) if 4 < close < 20 else ""
        self.is_server = request["op"] == "send"
        if not self.is_server:
            return
        self.made.append("line = answer()")
        mine = later[: later.index("ask")] if "ask" in later else later
        if "connect" not in mine:
            self.made.append(f"if 'listening' in line: answer({self.within})")
            self.is_owed = False
            return
        self.made.append("if 'listening' not in line: raise SystemExit")
        if self.via == "unix":
            self.made.append(f"say('mode', oct(os.stat({self._shown(request.get('path'))}).st_mode & 0o777))")
        else:
            self.made.append("place = json.loads(line)['listening']")

    def _answer(self) -> None:
        if self.is_owed:
            self.made.append(f"answer({self.within})")
        self.is_owed = False


def _octets(value: object) -> str:
    """Returns the sent bytes as Python."""
    if isinstance(value, bytes):
        return _literal(value)
    if isinstance(value, tuple):
        written, rest = value
        return f"{_expression(written)} + {_literal(rest)}" if rest else _expression(written)
    return _expression(str(value))


def _expression(text: str) -> str:
    """Returns a Python expression for these bytes, short also for long runs of one byte and of i mod 251."""
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
    """Returns a Python expression for these bytes, short for long runs of one byte and of i mod 251."""
    parts, at = [], 0
    for run in _RUN.finditer(octets):
        parts += [_plain(octets[at : run.start()]), f"bytes([{octets[run.start()]}]) * {run.end() - run.start()}"]
        at = run.end()
    return " + ".join(part for part in [*parts, _plain(octets[at:])] if part) or 'b""'


def _plain(octets: bytes) -> str:
    if not octets:
        return ""
    for head in range(65 if len(octets) > 64 else 0):
        rest = octets[head:]
        if len(rest) < 32:
            break
        if rest[:251] == bytes(range(251))[: len(rest)] and all(one == other for one, other in _shifted(rest)):
            counted = f"bytes(i % 251 for i in range({len(rest)}))"
            return f"{_plain(octets[:head])} + {counted}" if head else counted
    return f'bytes.fromhex("{octets.hex(" ") if len(octets) <= 64 else octets.hex()}")'


def _shifted(octets: bytes) -> Iterable[tuple[bytes, bytes]]:
    """Yields each run of 251 bytes with the next one."""
    runs = [octets[at : at + 251] for at in range(0, len(octets), 251)]
    return ((one[: len(other)], other) for one, other in pairwise(runs))
