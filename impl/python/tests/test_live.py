"""Every conversation over live sockets: IPv6, IPv4 and Unix-domain, through the synchronous and the asyncio API."""

from __future__ import annotations

import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import live
import pytest
import vectors
from ends import OTHER, needs_other
from vectors import Vector

from kcom5 import Client, InvalidConnection, Server

SPECIAL = {"other-user", "self"}
"""Set-ups that need another user or another network: they have tests of their own below."""

CONVERSATIONS = [v for v in vectors.load() if v.role in ("server", "client") and v.setup not in SPECIAL]
PLAYS = [(api, vector, via) for vector in CONVERSATIONS for via in vector.via for api in live.APIS]
NO_IPV6 = live.why_no_ipv6()


def is_timed(vector: Vector) -> bool:
    return "close" in vector.give


def name_of(value: object) -> str:
    return value.id if isinstance(value, Vector) else str(value)


@pytest.mark.parametrize(("api", "vector", "via"), [play for play in PLAYS if not is_timed(play[1])], ids=name_of)
def test_a_live_end_does_what_the_vector_says(api: str, vector: Vector, via: str) -> None:
    if NO_IPV6 and via == "tcp6":
        pytest.skip(NO_IPV6)
    live.play(api, vector, via)


@pytest.mark.parametrize("api", live.APIS)
@pytest.mark.parametrize("role", ["server", "client"])
def test_live_ends_keep_the_bounds_that_the_vectors_say(api: str, role: str) -> None:
    """All at once: they wait for seconds, and most of them for nothing."""
    timed = [play for play in PLAYS if is_timed(play[1]) and play[0] == api and play[1].role == role]
    if NO_IPV6:
        timed = [play for play in timed if play[2] != "tcp6"]
    assert timed

    def report(play: tuple[str, Vector, str]) -> str:
        failure = ""
        for scale in live.SCALES:
            try:
                live.play(*play, scale)
            except Exception as error:
                failure = failure or f"{play[1].id} over {play[2]}: {error!r}"
            else:
                return ""
        return failure

    with ThreadPoolExecutor(16) as threads:
        found = [line for line in threads.map(report, timed) if line]
    assert not found, "\n".join(found)


# ---- other users: the peer's process has another effective user when it connects or listens

OTHER_CLIENT = """
import os, socket, sys
os.setuid(int(sys.argv[2]))
with socket.socket(socket.AF_UNIX) as client:
    client.settimeout(30)
    client.connect(sys.argv[1])
    try:
        client.sendall(b"KCOM5abc")
        print(client.recv(100))
    except ConnectionError:
        print(b"")
"""
OTHER_SERVER = """
import os, socket, sys
os.setuid(int(sys.argv[2]))
with socket.socket(socket.AF_UNIX) as server:
    server.settimeout(30)
    server.bind(sys.argv[1])
    server.listen()
    print(flush=True)
    connection, _ = server.accept()
    try:
        print(connection.recv(100))
    except ConnectionError:
        print(b"")
"""


def open_to_all(directory: Path) -> None:
    for path in (directory, *directory.parents[:-2]):
        path.chmod(path.stat().st_mode | 0o777)


@needs_other
def test_a_client_of_another_user_gets_not_one_octet(tmp_path: Path) -> None:
    open_to_all(tmp_path)
    path = tmp_path / "socket"
    with Server(path=path, timeout=live.PATIENCE, message="secret").open() as listening:
        path.chmod(0o666)
        command = [sys.executable, "-c", OTHER_CLIENT, str(path), str(OTHER)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
            with pytest.raises(InvalidConnection, match="another user"):
                listening.send(b"secret")
            assert other.communicate()[0] == b"b''\n"


@needs_other
def test_a_server_of_another_user_gets_not_one_octet(tmp_path: Path) -> None:
    open_to_all(tmp_path)
    path = tmp_path / "socket"
    command = [sys.executable, "-c", OTHER_SERVER, str(path), str(OTHER)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"\n"
        with pytest.raises(InvalidConnection, match="another user"):
            Client(path=path, timeout=live.PATIENCE).receive()
        assert other.stdout.read() == b"b''\n"


# ---- a connection to itself: in a network whose only free port is the one dialled

ALONE = """
import fcntl, socket, struct, sys
sys.path.insert(0, sys.argv[1])
import kcom5
with socket.socket() as any:
    name, IFF_UP, SIOCSIFFLAGS = b"lo", 1, 0x8914
    fcntl.ioctl(any, SIOCSIFFLAGS, struct.pack("16sh14x", name, IFF_UP))
open("/proc/sys/net/ipv4/ip_local_port_range", "w").write("40000 40000")
with socket.socket(socket.AF_INET if sys.argv[2] == "tcp4" else socket.AF_INET6) as itself:
    host = "127.0.0.1" if sys.argv[2] == "tcp4" else "::1"
    itself.connect((host, 40000))
    assert itself.getsockname() == itself.getpeername()
    itself.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
try:
    kcom5.Client(port=40000, ipv6=sys.argv[2] == "tcp6", timeout=5).receive()
except kcom5.Refused as error:
    print(error)
"""


def why_not_alone() -> str:
    """Why there is no network of its own; empty if there is."""
    try:
        done = subprocess.run(["unshare", "-n", "true"], capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error.strerror)
    return done.stderr.strip() if done.returncode else ""


WHY = why_not_alone()


@pytest.mark.skipif(bool(WHY), reason=f"NOT RUN: a network of its own is needed: `unshare -n`: {WHY}")
@pytest.mark.parametrize("via", ["tcp6", "tcp4"])
def test_a_connection_to_itself_is_refused(via: str) -> None:
    source = str(vectors.ROOT / "impl/python/src")
    command = ["unshare", "-n", sys.executable, "-c", ALONE, source, via]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.startswith("refused: nobody listens on ")


def test_the_special_setups_are_those_that_have_tests_here() -> None:
    special = {v.id for v in vectors.load() if v.setup in SPECIAL}
    assert special == {
        "unix.owner/other-user-dials",
        "unix.owner/other-user-listens",
        "connect.self/only-free-port-is-ones-own",
    }
    assert socket.has_ipv6
