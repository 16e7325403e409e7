"""Another user of the same machine, whose part a child process plays. This needs root."""

from __future__ import annotations

import os
import signal
import subprocess
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

from world import NotRun


@cache
def other_user() -> int:
    """Returns the id of another user. Raises NotRun."""
    why = "not root"
    for user in (65534, 1, 2, 1000) if os.geteuid() == 0 else ():  # a user namespace may map only some of them
        try:
            subprocess.run(["true"], user=user, group=user, extra_groups=[], check=True)
            return user
        except OSError as error:
            why = f"`setuid({user})`: {error.strerror}"
    raise NotRun(f"another user is needed: {why}")


def _fork(act: Callable[[], object]) -> int:
    """Starts a child that calls `act` as the other user. Returns its process id.

    Situations run in several threads, and a `multiprocessing.Process` that starts reaps the children of the others.
    """
    user = other_user()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            act()
            os._exit(0)  # the usual end waits for threads that a child does not have
        except BaseException:  # noqa: BLE001 (a child that returned would run the tests, too)
            traceback.print_exc()
        finally:
            os._exit(1)
    return child


def as_other_user(act: Callable[[], object]) -> None:
    """Runs `act` once as the other user."""
    _, status = os.waitpid(_fork(act), 0)
    assert status == 0, f"the other user has failed: {os.waitstatus_to_exitcode(status)}"


@contextmanager
def attacked(act: Callable[[], object]) -> Iterator[None]:
    """Runs `act` repeatedly as the other user, until the block ends."""

    def attack() -> None:
        while True:
            with suppress(OSError):
                act()

    child = _fork(attack)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
