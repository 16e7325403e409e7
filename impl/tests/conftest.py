"""Options and fixtures for the tests that compare the implementations.

Run `pytest impl/tests`, or `pytest -n 2 impl/tests`, after the programs are built (see `peers.py` for where they are
looked for). `--peers cpp,go` deselects the others; without it a missing program is a failure. `--large` adds the
transfers over 1 GiB.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import closing

import pytest

from peers import NAMES, Adapter, Pool, Program


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--peers", default=",".join(NAMES), help="the implementations to test, with commas between them")
    parser.addoption("--large", action="store_true", help="with the transfers over 1 GiB")


def selected(config: pytest.Config) -> list[str]:
    names = [name for name in str(config.getoption("--peers")).split(",") if name]
    unknown = set(names) - set(NAMES)
    if unknown or not names:
        raise pytest.UsageError(f"--peers: {', '.join(sorted(unknown)) or 'none'}; there are {', '.join(NAMES)}")
    return names


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "peer(name): needs this implementation")
    config.addinivalue_line("markers", "large: moves more than 1 GiB, or takes minutes; run with --large")
    selected(config)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # A shell starts background jobs with SIGINT ignored, and the programs would inherit this.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects the tests that the options leave out, so that pytest counts them."""
    names = set(selected(config))
    large = bool(config.getoption("--large"))
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        needed = {str(mark.args[0]) for mark in item.iter_markers("peer")}
        is_large = item.get_closest_marker("large") is not None
        (kept if needed <= names and (large or not is_large) else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.peer(name)) for name in NAMES])
def program(request: pytest.FixtureRequest) -> Iterator[Program]:
    """Yields the command-line program of each implementation. Afterwards kills the processes that are still running."""
    with closing(Program(str(request.param))) as program:
        yield program


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    """Yields adapters that live as long as the session."""
    with closing(Pool()) as pool:
        yield pool


@pytest.fixture
def adapters(pool: Pool, request: pytest.FixtureRequest) -> dict[str, Adapter]:
    """Returns one adapter of each selected implementation."""
    return {name: pool.get(name) for name in selected(request.config)}
