"""A pytest plugin that reports a test as not run if it fails because the machine has no ::1."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest


def why_no_ipv6() -> str:
    """Returns why there is no ::1; empty if there is."""
    try:
        with socket.socket(socket.AF_INET6) as server:
            server.bind(("::1", 0))
    except OSError as error:
        return f"NOT RUN: there is no ::1 here: {error.strerror}"
    return ""


WHY = why_no_ipv6()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "id", "").split("-")
        if WHY and not {"tcp6", "ipv6"}.isdisjoint(parameters):
            item.add_marker(pytest.mark.skip(reason=WHY))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report: pytest.TestReport = yield  # type: ignore[assignment]
    text = report.longreprtext.lower()
    if WHY and report.failed and any(sign in text for sign in (WHY.rpartition(": ")[2].lower(), "--ipv4")):
        report.outcome = "skipped"
        report.longrepr = (str(item.path), 0, WHY)
    return report  # type: ignore[return-value]
