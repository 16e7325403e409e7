"""Performs a run with the given options. The results so far survive an early end."""

from __future__ import annotations

import argparse
import os
import platform
import secrets
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from . import __version__, program, spec
from .errors import UsageError, leaves
from .results import Result, Run
from .selection import Selection
from .stages import Stages


@dataclass
class Done:
    """A run, and the error that ended it early, if any."""

    run: Run
    ended: BaseException | None = None
    defects: list[BaseException] = field(default_factory=list)
    """Errors of the suite itself, each in a case that was not run."""


def perform(
    options: argparse.Namespace,
    selection: Selection | None,
    *,
    with_matrix: bool,
    conversations: Sequence[Result] = (),
) -> Done:
    """Performs the run. The results so far survive an early end. `conversations` are failures that exploring found,
    which are tried again. Raises UsageError."""
    seed = options.seed if options.seed is not None else secrets.randbelow(1 << 31)
    done, clock = Done(_new_run(options, seed)), time.monotonic()
    stages = Stages(options, selection, done.run, with_matrix, conversations)
    done.defects = stages.defects
    try:
        stages.all()
    except UsageError:
        raise
    except BaseException as error:
        done.ended = error
        done.run.complaints.append(f"the run ended before its end: {why(error)}")
    finally:
        stages.progress.finish()
        done.run.seconds = time.monotonic() - clock
    return done


def _new_run(options: argparse.Namespace, seed: int) -> Run:
    return Run(
        suite=__version__,
        command=f"{program.command()} {shlex.join(options.given)}",
        program=program.command(),
        subjects=shlex.join(_subject_words(options)),
        started=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        seconds=0,
        seed=seed,
        strict=options.strict,
        machine=f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} processors",
        timeout_scale=options.timeout_scale,
        peers=[],
        rules=list(spec.rules()),
        results=[],
    )


def _subject_words(options: argparse.Namespace) -> list[str]:
    """Returns the options that choose the same implementations."""
    return ["--", *options.command] if options.command else ["--peers", str(options.peers), *options.names]


def why(error: BaseException) -> str:
    first = leaves(error)[0]
    return "interrupted" if isinstance(first, KeyboardInterrupt) else str(first) or type(first).__name__
