"""Cases with real programs of other protocols, because a port may have another owner after its server has ended.

A case whose program is not installed is not run. `openings` sends the first bytes of programs without the programs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import trio

from ..harness import children, procfs
from ..harness.case import Case, NotRun
from ..harness.harness import Harness
from ..report.seen import RUNS
from ..results import Level

SECRET = "secret-that-no-stranger-sees"
HOST = "127.0.0.1"
T = 2

# {port} is the port; {folder} is an empty directory.
CLIENTS = {
    "chromium": "chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking"
    " --user-data-dir={folder} --dump-dom http://127.0.0.1:{port}/",
    "curl-ftp": "curl -sS -m 5 ftp://127.0.0.1:{port}/",
    "curl-http": "curl -sS -m 5 http://127.0.0.1:{port}/",
    "curl-https": "curl -sS -m 5 -k https://127.0.0.1:{port}/",
    "curl-method-kcom5": "curl -sS -m 5 -X KCOM5abc http://127.0.0.1:{port}/",
    "curl-smtp": "curl -sS -m 5 smtp://127.0.0.1:{port}/",
    "git": "git ls-remote git://127.0.0.1:{port}/x",
    "mysql": "mysql -h 127.0.0.1 -P {port} --connect-timeout=3 -e quit",
    "nc": "nc -w 3 127.0.0.1 {port}",
    "node": "node -e fetch('http://127.0.0.1:{port}/')",
    "openssl": "openssl s_client -connect 127.0.0.1:{port}",
    "psql": "psql -w -h 127.0.0.1 -p {port} -c q",
    "python": "python3 -c __import__('urllib.request').request.urlopen('http://127.0.0.1:{port}/',timeout=5)",
    "redis-cli": "redis-cli -h 127.0.0.1 -p {port} ping",
    "ssh": "ssh -o BatchMode=yes -o StrictHostKeyChecking=no -o ConnectTimeout=3 -p {port} 127.0.0.1 true",
    "ssh-keyscan": "ssh-keyscan -T 3 -p {port} 127.0.0.1",
    "telnet": "telnet 127.0.0.1 {port}",
    "wget": "wget -q -t 1 -T 5 -O - http://127.0.0.1:{port}/",
}

SERVERS = {
    "git-daemon": "git daemon --listen=127.0.0.1 --port={port} --base-path={folder}",
    "memcached": "memcached -u nobody -l 127.0.0.1 -p {port}",
    "nc": "nc -l 127.0.0.1 {port}",
    "ncat": "ncat -l 127.0.0.1 {port}",
    "node": "node -e require('http').createServer().listen({port},'127.0.0.1')",
    "openssl": "openssl s_server -nocert -accept 127.0.0.1:{port}",
    "python-http": "python3 -m http.server --bind 127.0.0.1 --directory {folder} {port}",
    "redis": "redis-server --bind 127.0.0.1 --port {port} --dir {folder}",
    "socat": "socat TCP-LISTEN:{port},bind=127.0.0.1 SYSTEM:cat",
}


def cases() -> Iterator[Case]:
    """A case for each program."""
    note = "an old address reaches a foreign program"
    for name, command in CLIENTS.items():
        rule = "hello.alone" if name == "curl-method-kcom5" else "hello.reject"
        level: Level = "SHOULD" if rule == "hello.alone" else "MUST"
        yield Case(f"{rule}/program-{name}@tcp4", rule, level, "server", "tcp4", note, _Client(command).run,
                   frozenset({"send", "tcp4"}), takes=T)  # fmt: skip
    for name, command in SERVERS.items():
        case_id = f"echo.mismatch/program-{name}@tcp4"
        yield Case(case_id, "echo.mismatch", "MUST", "client", "tcp4", note, _Server(command).run,
                   frozenset({"receive", "tcp4"}), takes=T)  # fmt: skip


def _command(template: str, harness: Harness, port: int) -> list[str]:
    words = [word.format(port=port, folder=harness.folder) for word in template.split(" ")]
    program = sys.executable if words[0] == "python3" else shutil.which(words[0])
    if program is None:
        raise NotRun(f"{words[0]} is not installed")
    return [program, *words[1:]]


def _by_hand(template: str) -> str:
    return template.format(port=13600, folder="/tmp")


async def _end(program: trio.Process) -> None:
    """Kills the program and all its children."""
    with trio.CancelScope(shield=True):
        with suppress(ProcessLookupError):
            os.killpg(program.pid, signal.SIGKILL)
        await program.wait()
        if program.stdout is not None:
            await program.stdout.aclose()


class _Client:
    """A foreign client and the implementation's server."""

    def __init__(self, template: str) -> None:
        self.template = template

    async def run(self, harness: Harness) -> None:
        _command(self.template, harness, 1)  # before anything is opened
        harness.unshown = f"a program takes part: let it send on port 13600, then run `{_by_hand(self.template)}`"
        call = await harness.send(SECRET, SECRET.encode(), close=T)
        command = _command(self.template, harness, int(call.place))
        harness.log("suite", "wait", text=f"{RUNS}{self.template.format(port=call.place, folder=harness.folder)}")
        program = await trio.lowlevel.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        said = b""
        try:
            with trio.move_on_after(T + harness.patience):
                assert program.stdout is not None
                while piece := await program.stdout.receive_some():
                    said += piece
        finally:
            await _end(program)
        if SECRET.encode() in said:
            harness.fail("wire", "the message, to a program that did not say a hello", "not one octet")
        # A program that does not send first is a silent client.
        await call.expect_error("invalid-connection", "timeout", within=T + harness.patience)


class _Server:
    """A foreign server and the implementation's client."""

    def __init__(self, template: str) -> None:
        self.template = template

    async def run(self, harness: Harness) -> None:
        _command(self.template, harness, 1)  # before a port is reserved
        port = int(await harness.own_place())
        harness.unshown = f"a program takes part: run `{_by_hand(self.template)}`, then let it receive from port 13600"
        program = await trio.lowlevel.open_process(
            _command(self.template, harness, port),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            with trio.move_on_after(2 * harness.patience) as scope:
                # Its own processes: another program may use the same port on another address.
                while program.poll() is None and HOST not in procfs.listening_addresses(port, children.of(program.pid)):
                    await trio.sleep(harness.tick)
            if scope.cancelled_caught or program.poll() is not None:
                raise NotRun(f"{self.template.split()[0]} does not listen on {HOST}:{port}")
            harness.log("suite", "wait", text=f"{RUNS}{self.template.format(port=port, folder=harness.folder)}")
            call = await harness.call("receive", port, close=T)
            # An echo service passes the handshake, and closes after the half-close of the client.
            names = ("timeout", "truncated") if "socat" in self.template else ("invalid-connection", "timeout")
            await call.expect_error(*names, within=T + harness.patience)
        finally:
            await _end(program)
