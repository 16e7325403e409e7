"""Scripts for Hypothesis: half are valid conversations, and all probe boundaries. The simplest choice comes first.

A draw of Hypothesis costs a tenth of a millisecond, so a script needs only five. These are its kind, a message, data,
its cuts, and a number that decides the details. Parameters outside the conversation are a `Circumstance`.
"""

from __future__ import annotations

from hypothesis import strategies as st

from . import client_scripts, server_scripts
from .details import Detail
from .edges import CUTS, FILLS, PADS, SIZES
from .script import Octets, Script


def _scripts(role: str, kinds: tuple[str, ...]) -> st.SearchStrategy[Script]:
    message = st.sampled_from(_MESSAGES)
    data = st.sampled_from([Octets(size, fill) for size in SIZES for fill in FILLS if size <= 4097 or len(fill) != 4])
    build = client_scripts.script_of if role == "client" else server_scripts.script_of
    parts = st.tuples(st.sampled_from(kinds), message, data, st.sampled_from(CUTS), st.integers(0, (1 << 20) - 1))
    return parts.map(lambda drawn: build(*drawn[:4], Detail(drawn[4])))


_MESSAGES = tuple(
    [(0, number, b"") for number in range(24)]
    + [(pad, number, end) for end in (b"", b"b", b"\n") for pad in PADS for number in (1, *range(0, 24, 3))]
)
"""A pad, the number of a class, and the rest."""

STRATEGIES: dict[tuple[str, bool], st.SearchStrategy[Script]] = {
    ("client", False): _scripts("client", client_scripts.KINDS),
    ("client", True): _scripts("client", client_scripts.TIMED),
    ("server", False): _scripts("server", server_scripts.KINDS),
    ("server", True): _scripts("server", server_scripts.TIMED),
}
"""Strategies by role, and by whether the script waits for parts of T."""
