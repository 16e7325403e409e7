"""A program that shows a failure without the suite.

It starts the implementation through its adapter, repeats the acts of the case, and prints the received bytes and the
adapter's answers. With a correct implementation its output differs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..results import Problem
from .acts import Act, Body

MOST_TAKEN = 256 << 10
"""Bytes of the receive buffer of the suite's end, so that its kernel accepts little that is not read."""
MOST_ACTS = 150
MOST_SIZE = 32 << 10
"""Characters of a program."""
_ROUNDS = 20
"""The number of repetitions of a conversation that leaks, or whose nonces are compared."""
_MEMORY_ROUNDS = 60
_FEW_ROUNDS = 4
"""The number of repetitions if each takes a timeout."""
_HELD = re.compile(r"descriptor|thread|process|KiB|MiB|children|temporary")


def why_not(acts: Sequence[Act], problem: Problem | None = None) -> str:
    """Returns why no program can repeat these acts; empty if one can."""
    acts = _shortest(acts, problem)
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
    environment: Mapping[str, str] | None = None,
) -> tuple[str, str]:
    """Returns the program, for a shell, and ""; or "" and the reason why there is none. `command` starts the adapter in
    the folder `cwd` with `environment` added. Paths in `folder`, the case's folder, become paths of a new folder."""
    made, acts = Body(via, folder), _shortest(acts, problem)
    body = _repeated(made.lines(acts), acts, problem)
    environment = dict(environment or {})
    where = f", cwd={made.shown(cwd)}" if cwd else ""
    where += f", env={{**os.environ, **{made.shown(environment)}}}" if environment else ""
    words = made.shown(list(command))
    start = [
        f"adapter = subprocess.Popen({words}, stdin=subprocess.PIPE, stdout=subprocess.PIPE{where})",
        # Otherwise the start of the process would be part of the measured times.
        'adapter.stdin.write(b\'{"op":"about"}\\n\'); adapter.stdin.flush(); adapter.stdout.readline()',
    ]
    if any("folder" in line for line in [*start, *body]):
        named = [path for path in environment.values() if folder and path.startswith(folder)]
        start = ["folder = tempfile.mkdtemp()", *(f"os.mkdir({made.shown(path)})" for path in named), *start]
    whole = [*start, *_helpers(body), *body, "adapter.kill()"]
    modules = sorted(name for name in _MODULES if any(f"{name}." in line for line in whole))
    program = "\n".join(["python3 - <<'E'", f"import {', '.join(modules)}", *whole, "E"]) + "\n"
    return (program, "") if len(program) <= MOST_SIZE else ("", f"a program would have {len(program):,} characters")


def _repeated(body: list[str], acts: Sequence[Act], problem: Problem | None) -> list[str]:
    """Returns the lines with what measures the process and repeats them, if the problem shows only so."""
    if problem is not None and problem.axis == "memory":
        looked = [line for one in body for line in ((one, "grown()") if one.startswith("time.sleep(") else (one,))]
        return ["say = print", "before = memory()", *looked, "grown()"]
    rounds, is_held = _rounds(problem, acts)
    if rounds == 1:
        return ["say = print", *body]
    loop = [f"for turn in range({rounds}):", *(f"    {line}" for line in body)]
    if not is_held:
        return ["say = print", *loop]
    loop.insert(1, f"    if turn == {rounds // 2}: before = held()")
    left = "', '.join(f'{after[name] - before[name]} {name}' for name in after)"
    last = f"print('the last {rounds - rounds // 2} of {rounds} rounds left', {left})"
    return ["def say(*words): pass", *loop, "after = held()", last]


def _helpers(body: list[str]) -> list[str]:
    """Returns the functions that the lines and other functions call."""
    found: list[str] = []
    for name, lines in reversed(_HELPERS.items()):
        if any(re.search(rf"\b{name}[(.]", line) for line in [*body, *found]):
            found = [*lines, *found]
    return found


def _shortest(acts: Sequence[Act], problem: Problem | None) -> Sequence[Act]:
    """Returns the acts of the first exchange if it is repeated to compare nonces, else all."""
    starts = [number for number, act in enumerate(acts) if act.what == "listen"]
    return acts[: starts[1]] if _compares_nonces(problem) and len(starts) > 1 else acts


def _compares_nonces(problem: Problem | None) -> bool:
    return problem is not None and problem.saw == "predictable"


def _rounds(problem: Problem | None, acts: Sequence[Act]) -> tuple[int, bool]:
    """Returns how often the acts must be repeated to show the problem, and whether the process's resources show it."""
    asked = [act.value for act in acts if act.what == "ask"]
    if problem is not None and problem.axis == "residue" and _HELD.search(problem.got):
        is_timed = any(0 < request.get("close", 30) < 20 for request in asked)
        return _FEW_ROUNDS if is_timed else _MEMORY_ROUNDS if "MiB" in problem.got else _ROUNDS, True
    return _ROUNDS if _compares_nonces(problem) and len(asked) == 1 else 1, False


_MODULES = (
    *("glob", "json", "os", "select", "signal", "socket", "stat", "struct", "subprocess", "tempfile"),
    *("threading", "time"),
)
_HELPERS = {
    "family": [
        "def family(pid):",
        "    yield pid",
        "    for name in glob.glob(f'/proc/{pid}/task/*/children'):",
        "        for child in open(name).read().split(): yield from family(int(child))",
    ],
    "memory": [
        "def memory():",
        "    lines = [line.split() for pid in family(adapter.pid) for line in open(f'/proc/{pid}/status')]",
        "    return [sum(int(line[1]) for line in lines if line[0] == name) >> 10 for name in ('VmHWM:', 'VmData:')]",
    ],
    "grown": [
        "def grown():",
        "    peak, data = (now - one for now, one in zip(memory(), before))",
        "    print('its memory grew by', peak, 'MiB, and', data, 'MiB are reserved')",
    ],
    "held": [
        "def held():",
        "    pids = list(family(adapter.pid)); time.sleep(0.2)",
        "    of = [sum(len(os.listdir(f'/proc/{pid}/{name}')) for pid in pids) for name in ('fd', 'task')]",
        "    pages = sum(int(open(f'/proc/{pid}/statm').read().split()[1]) for pid in pids)",
        "    return dict(processes=len(pids), descriptors=of[0], threads=of[1], MiB=pages >> 8)",
    ],
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
        # As in the suite: the kernel takes little of what nobody reads.
        f"    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, {MOST_TAKEN})",
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
        "    got = bytearray(); s.settimeout(within)",
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
    "thief": [
        "def thief(family, address, options):",
        "    with socket.socket(family) as s:",
        "        try:",
        "            for option in options: s.setsockopt(socket.SOL_SOCKET, option, 1)",
        "            s.bind(address); s.listen(); say('another socket listens, too, with the options', options)",
        "        except OSError as error: say('another socket:', error)",
    ],
    "addresses": [
        "def addresses():",
        "    for line in [*open('/proc/net/tcp'), *open('/proc/net/tcp6')]:",
        "        if f':{place:04X} ' in line and ' 0A ' in line: say('it listens on', line.split()[1].split(':')[0])",
    ],
    "queue": [
        "def queue():",
        "    say('connections in the queue:', bool(select.select([listener], [], [], 0)[0]))",
    ],
    "inherits": [
        "def inherits():",
        "    for name in glob.glob(f'/proc/{adapter.pid}/fd/*'):",
        "        flags = open(name.replace('/fd/', '/fdinfo/')).read().split('flags:')[1].split()[0]",
        "        if 'socket' in os.readlink(name): say('a child inherits a socket:', not int(flags, 8) & 0o2000000)",
    ],
    "files": [
        "def files():",
        "    for path in sorted(glob.glob(folder + '/**', recursive=True)):",
        "        kept = os.path.isfile(path) and (os.path.getsize(path), open(path, 'rb').read(32))",
        "        say(path.removeprefix(folder), stat.filemode(os.lstat(path).st_mode), kept)",
    ],
    "pipes": ["pipes = []"],
    "reader": [
        "def reader(path, most):",
        "    got = []",
        "    def read():",
        "        with open(path, 'rb', 0) as pipe:",
        "            while piece := pipe.read(most): got.append(len(piece)); time.sleep(0.0005)",
        "    thread = threading.Thread(target=read, daemon=True); thread.start(); return thread, got",
    ],
    "writer": [
        "def writer(path, octets):",
        "    threading.Thread(target=lambda: open(path, 'wb').write(octets), daemon=True).start()",
    ],
}
"""Functions, in the order in which they are defined."""
