"""The implementation under test: a name and the command of its adapter, which may run in its own network namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from .adapter import Adapter
from .case import ALONE_PORT


@dataclass(frozen=True)
class Subject:
    """The implementation under test: a row of peers.toml, or a command line."""

    name: str
    command: list[str]
    cwd: Path | None = None
    """The folder that it runs in; None for the current one."""

    def adapter(self, is_alone: bool = False) -> Adapter:
        command = [*_ALONE, *self.command] if is_alone else self.command
        return Adapter(command, cwd=self.cwd)


# Root does not need a user namespace, which the kernel refuses in a chroot.
_IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0
_UNSHARE = ["unshare", *([] if _IS_ROOT else ["--user", "--map-root-user"]), "--net"]
# A network namespace with one free port: a client that dials it is connected to itself.
_ALONE = [
    *_UNSHARE,
    sys.executable,
    "-I",
    "-c",
    f"""
import fcntl, os, socket, struct, sys
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))
with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as file:
    file.write("{ALONE_PORT} {ALONE_PORT}")
with socket.socket() as itself:
    itself.connect(("127.0.0.1", {ALONE_PORT}))
    assert itself.getsockname() == itself.getpeername()
    itself.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
os.execvp(sys.argv[1], sys.argv[1:])
""",
]


SLOW_LISTEN = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=listen", "-e", "inject=listen:delay_exit=400000"]
"""The command that runs a program and delays the return of its calls of listen() by 0.4 s."""


def why_not_slow() -> str:
    """Returns why a program cannot be delayed; empty if it can."""
    try:
        tried = subprocess.run([*SLOW_LISTEN, "true"], capture_output=True, text=True, check=False)
    except (FileNotFoundError, PermissionError):
        return f"{SLOW_LISTEN[0]} is not installed"
    return f"`{SLOW_LISTEN[0]}` does not work here: {tried.stderr.strip()}" if tried.returncode else ""


def why_not_alone() -> str:
    """Returns why a network namespace is not available; empty if it is."""
    try:
        tried = subprocess.run([*_UNSHARE, "true"], capture_output=True, text=True, check=False)
    except (FileNotFoundError, PermissionError):
        return f"no network of its own is to be had here: {_UNSHARE[0]} is not installed"
    reason = tried.stderr.strip() or "works, but the settings of that network cannot be changed"
    return f"no network of its own is to be had here: `{' '.join(_UNSHARE)}`: {reason}"
