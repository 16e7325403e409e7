"""Uses Hypothesis to generate a batch of scripts from a seed and to shrink one that failed.

Scripts are generated first and played afterwards, several at a time, which Hypothesis itself cannot do. To shrink, the
same seed generates the same scripts again. All except the failed one are known to pass, so Hypothesis finds it at once
and plays only its reductions.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings

from .script import Script
from .strategies import STRATEGIES

# Hypothesis checks that a draw does not use Python's random generator, but Trio uses it in another thread.
warnings.filterwarnings("ignore", message="Do not use the `random` module inside strategies")


class _Failed(Exception):
    """A script failed. Hypothesis gets no other information."""


def _settings(size: int, *phases: Phase) -> settings:
    return settings(
        max_examples=size,
        database=None,
        deadline=None,
        phases=phases,
        report_multiple_bugs=False,
        print_blob=False,
        verbosity=Verbosity.quiet,
        suppress_health_check=list(HealthCheck),
    )


def portion(role: str, is_timed: bool, number: int, size: int) -> list[Script]:
    """Returns at most `size` scripts: the same ones for the same `number`."""
    found: list[Script] = []

    @seed(number)
    @_settings(size, Phase.generate)
    @given(STRATEGIES[role, is_timed])
    def collect(script: Script) -> None:
        found.append(script)

    collect()
    return list(dict.fromkeys(found))


def shrink(
    role: str, is_timed: bool, number: int, size: int, failed: Script, fails: Callable[[Script], bool]
) -> Script:
    """Returns the smallest script that still fails. `fails` plays one. The rest of the batch is known to pass."""
    known = dict.fromkeys(portion(role, is_timed, number, size), False)
    known[failed] = True
    least = failed

    @seed(number)
    @_settings(size, Phase.generate, Phase.shrink)
    @given(STRATEGIES[role, is_timed])
    def test(script: Script) -> None:
        nonlocal least
        if script not in known:
            known[script] = fails(script)
        if known[script]:
            least = script
            raise _Failed

    try:
        test()
    except _Failed:
        return least
    return failed
