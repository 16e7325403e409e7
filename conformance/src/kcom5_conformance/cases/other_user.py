"""A conversation with a process of another user, which the implementation must refuse on a Unix-domain socket."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import trio

from ..harness.case import Mismatch, NotRun
from ..harness.harness import Harness
from ..results import Problem
from .vectors import Vector


def other_user() -> int:
    """Returns the id of another user. Raises NotRun."""
    own = os.geteuid() if hasattr(os, "geteuid") else None
    if own != 0:
        raise NotRun("only root can play another user")
    users = Path("/proc/self/uid_map")
    if not users.exists():
        return 65534
    for line in users.read_text().splitlines():
        first, _, count = map(int, line.split())
        for user in (65534, first, first + 1):
            if user != own and first <= user < first + count:
                return user
    raise NotRun(f"this user namespace has no other user: {users}")


_OTHER_CLIENT = """
import os, socket, sys
os.setgroups([]); os.setuid(int(sys.argv[2]))  # the group stays: it is the user that counts
with socket.socket(socket.AF_UNIX) as client:
    client.settimeout(10)
    client.connect(sys.argv[1])
    try:
        client.sendall(b"KCOM5abc")
        print(client.recv(100).hex())
    except ConnectionError:
        print("")
"""
_OTHER_SERVER = """
import os, socket, sys
os.setgroups([]); os.setuid(int(sys.argv[2]))  # the group stays: it is the user that counts
with socket.socket(socket.AF_UNIX) as server:
    server.settimeout(10)
    server.bind(sys.argv[1])
    os.chmod(sys.argv[1], 0o666)
    server.listen()
    print(flush=True)
    connection, _ = server.accept()
    try:
        print(connection.recv(100).hex())
    except ConnectionError:
        print("")
"""


async def against_another_user(harness: Harness, vector: Vector) -> None:
    """Runs the suite's end as another user, who must not receive any byte."""
    user = other_user()
    harness.unshown = "its peer is a process of another user: start it as root, and the peer as any other user"
    for folder in harness.folder.parents:
        if not folder.stat().st_mode & 0o001:
            raise NotRun(f"another user cannot reach {folder}: choose another folder by TMPDIR")
    harness.folder.chmod(0o777)
    script = _OTHER_CLIENT if vector.role == "server" else _OTHER_SERVER
    command = [sys.executable, "-I", "-c", script, str(harness.path), str(user)]
    if vector.role == "server":
        call = await harness.call("send", str(harness.path), message="secret", data={"hex": "00"})
        await call.listening()
        harness.path.chmod(0o666)
        other = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    else:
        other = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert other.stdout is not None
        await other.stdout.receive_some(1)
        call = await harness.call("receive", str(harness.path))
    try:
        await call.expect_error("invalid-connection")
        assert other.stdout is not None
        got = b""
        with trio.move_on_after(harness.patience):
            while piece := await other.stdout.receive_some():
                got += piece
        if vector.role == "server" and harness.path.exists():
            raise Mismatch(Problem("unix.cleanup", "MUST", "residue", "the socket file stays", "that it is removed"))
        if got.strip():
            harness.fail("wire", f"octets to another user's process: {got.strip().decode()}", "not one octet")
    finally:
        other.kill()
        await other.wait()
        assert other.stdout is not None
        await other.stdout.aclose()
        harness.path.unlink(missing_ok=True)
