"""Another user of the same machine, whose part a child process plays. This needs root."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

from world import NotRun

_fork = multiprocessing.get_context("fork")


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


def _play(act: Callable[[], object], is_repeated: bool) -> None:
    user = other_user()
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    if not is_repeated:
        act()
        os._exit(0)  # the usual end waits for threads that a child does not have
    while True:
        with suppress(OSError):
            act()


def as_other_user(act: Callable[[], object]) -> None:
    """Runs `act` once as the other user."""
    child = _fork.Process(target=_play, args=(act, False))
    child.start()
    child.join()
    assert child.exitcode == 0, "the other user has failed"


@contextmanager
def attacked(act: Callable[[], object]) -> Iterator[None]:
    """Runs `act` repeatedly as the other user, until the block ends."""
    child = _fork.Process(target=_play, args=(act, True))
    child.start()
    try:
        yield
    finally:
        child.kill()
        child.join()
