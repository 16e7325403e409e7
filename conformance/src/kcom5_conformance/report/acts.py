"""The acts of the suite in a case, and as lines of a program that repeats them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from .literals import literal, sent

_PLACES = {
    "tcp6": ("AF_INET6", '"::1"'),
    "tcp4": ("AF_INET", '"127.0.0.1"'),
    "unix": ("AF_UNIX", ""),
}


_LONG_RUN = re.compile(r"([^'\\])\1{255,}")
"""A run of one character in a string literal."""


class Act(NamedTuple):
    """An act of the suite; `end` is the number of the connection, from 0."""

    what: str
    """`ask` sends a request; `answer` waits for its answer. `listen` takes a place; `nobody` names a place without a
    listener; `full` fills the listener's queue; `accept`; `connect` takes a host or a path. `send` takes bytes, or
    hexadecimal with `n0 n1 n2` for the nonce of the client's hello, optionally followed by bytes. `expect` takes a
    number of bytes; `look` reads for some seconds; `half-close`, `close` and `reset`. `wait` takes seconds; `stop` and
    `go on` control the process. `thief` takes options with which another socket tries to listen on the place;
    `elsewhere` takes a host and a port, and listens there. `addresses` prints those on which somebody listens at the
    place, `queue` whether the listener's queue is empty, `inherits` which sockets a child would inherit. `unlisten`
    ends the listener.

    Of files: `file` takes a path and bytes, or its size; `folder` and `pipe` a path; `link` a path and its target;
    `reader` and `writer` of a pipe take its path and at most how many bytes at once, or the bytes; `socket` a path and
    whether it stays bound; `truncate` a path and a size; `append` a path and bytes; `move` two paths; `owner` a path
    and a user."""
    value: Any = ""
    end: int = 0


class Body:
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
            if made := _OF_FILES.get(act.what):
                self.made.append(made(self, act.value))
            else:
                self._act(act, [later.what for later in acts[number + 1 :]])
        self.made += [f"take({end}, 1 << 62)" for end in self.ends]
        self._answer()
        if any(line.startswith("pipes") for line in self.made):
            self.made.append("for thread, got in pipes: thread.join(1); say('a pipe gave', sum(got), 'octets')")
        if any("folder" in line for line in self.made):
            self.made.append("files()")
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
                address = self.shown(value) if self.via == "unix" else f"({repr(value) if value else self.host}, place)"
                add(f"{end} = accept()" if act.what == "accept" else f"{end} = connect({self.family}, {address})")
            case "send":
                add(f"send({end}, {sent(value)})")
            case "expect":
                add(f"{'' if self.is_greeted else 'hello = '}take({end}, {value})")
                self.is_greeted = True
            case "look":
                add(f"take({end}, 1 << 62, {value})")
            case "half-close":
                add(f"half_close({end})")
            case "wait":
                add(f"time.sleep({value}){'; files()' if any('folder' in line for line in self.made) else ''}")
            case "reset" | "close":
                abort = f"{end}.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); "
                add(f"{abort if act.what == 'reset' else ''}{end}.close()")
                self.ends = [one for one in self.ends if one != end]
            case "stop" | "go on":
                add(f"adapter.send_signal(signal.{'SIGSTOP' if act.what == 'stop' else 'SIGCONT'})")
            case "thief":
                add(f"thief({self.family}, ({self.host}, place), {value!r})")
            case "elsewhere":
                host, port = value
                family = "AF_INET6" if ":" in host else "AF_INET"
                add(f"listener = socket.socket(socket.{family}); listener.bind(({host!r}, {port})); listener.listen()")
            case "addresses" | "inherits" | "queue":
                add(f"{act.what}()")
            case "unlisten":
                add(f"listener.close(){f'; os.unlink({self.shown(value)})' if self.via == 'unix' else ''}")
            case _:
                raise ValueError(f"no such act: {act.what!r}")

    def shown(self, value: object) -> str:
        """Returns the value as Python, with names for the case's folder and the listener's place."""
        text = repr(value)
        if '"' not in text:
            text = _LONG_RUN.sub(lambda run: f"' + '{run[1]}' * {len(run[0])} + '", text)
        if self.folder:
            text = text.replace(f"'{self.folder}'", "folder").replace(f"'{self.folder}", "folder + '")
        return re.sub(rf"'port': {self.place}\b", "'port': place", text) if isinstance(self.place, int) else text

    def _listen(self, place: object, is_there: bool, backlog: int) -> None:
        self.place = place
        name = "listener" if is_there else "nobody"
        address = self.shown(place) if self.via == "unix" else f"({self.host}, 0)"
        if is_there or self.via != "unix":
            self.made.append(f"{name} = socket.socket({self.family}); {name}.bind({address})")
        if is_there:
            self.made.append(f"listener.listen({backlog}); listener.settimeout(10)")
        if self.via != "unix":
            self.made.append(f"place = {name}.getsockname()[1]")

    def _ask(self, request: object, later: list[str]) -> None:
        assert isinstance(request, dict)
        self._answer()
        self.made.append(f"ask({self.shown(request)})")
        self.is_owed, close = True, request.get("close", 30)
        self.within = str(close + 6) if 4 < close < 20 else ""
        self.is_server = request["op"] == "send"
        if not self.is_server:
            return
        self.made.append("line = answer()")
        mine = later[: later.index("ask")] if "ask" in later else later
        if not {"connect", "thief", "addresses", "inherits"} & set(mine):
            look = "files(); " if self.via == "unix" and self.folder else ""
            self.made.append(f"if 'listening' in line: {look}answer({self.within})")
            self.is_owed = False
            return
        self.made.append("if 'listening' not in line: raise SystemExit")
        if self.via == "unix":
            self.made.append("files()")
        else:
            self.made.append("place = json.loads(line)['listening']")

    def _answer(self) -> None:
        if self.is_owed:
            self.made.append(f"answer({self.within})")
        self.is_owed = False


_OF_FILES: dict[str, Callable[[Body, Any], str]] = {
    "append": lambda body, value: f"open({body.shown(value[0])}, 'ab').write({literal(value[1])})",
    "file": lambda body, value: (
        f"open({body.shown(value[0])}, 'wb').write({literal(value[1])})"
        if isinstance(value[1], bytes)
        else f"open({body.shown(value[0])}, 'wb').truncate({value[1]})"
    ),
    "folder": lambda body, value: f"os.makedirs({body.shown(value)}, exist_ok=True)",
    "link": lambda body, value: f"os.symlink({body.shown(value[1])}, {body.shown(value[0])})",
    "move": lambda body, value: f"os.rename({body.shown(value[0])}, {body.shown(value[1])})",
    "owner": lambda body, value: f"os.chown({body.shown(value[0])}, {value[1]}, -1)",
    "pipe": lambda body, value: f"os.mkfifo({body.shown(value)})",
    "reader": lambda body, value: f"pipes.append(reader({body.shown(value[0])}, {value[1]}))",
    "socket": lambda body, value: (
        f"bound = socket.socket(socket.AF_UNIX); bound.bind({body.shown(value[0])})"
        f"{'' if value[1] else '; bound.close()'}"
    ),
    "truncate": lambda body, value: f"os.truncate({body.shown(value[0])}, {value[1]})",
    "writer": lambda body, value: f"writer({body.shown(value[0])}, {literal(value[1])})",
}
"""The line of each act that makes or changes a file."""
