"""Every case of the suite: one for each vector, and one module for each part of the spec that vectors cannot test."""

from __future__ import annotations

from collections.abc import Iterator

from .. import data
from ..harness.case import Case
from . import (  # each registers its cases
    address,  # noqa: F401
    bounds,  # noqa: F401
    closing,  # noqa: F401
    files,  # noqa: F401
    framing,  # noqa: F401
    leftovers,  # noqa: F401
    listening,  # noqa: F401
    memory,  # noqa: F401
    openings,  # noqa: F401
    outcomes,  # noqa: F401
    programs,
    registry,
    replay,
    residue,  # noqa: F401
    sequences,  # noqa: F401
    sizes,  # noqa: F401
    stored,  # noqa: F401
    timing,  # noqa: F401
    unix,  # noqa: F401
    vectors,
)


def every() -> Iterator[Case]:
    """Yields all cases, in no particular order."""
    yield from replay.cases(vectors.load(data.vectors_folder()))
    yield from registry.cases()
    yield from programs.cases()
