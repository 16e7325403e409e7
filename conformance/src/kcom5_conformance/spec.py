"""The rules of the specification, and the effect of a broken rule on a user.

`spec/kcom5.md` writes a rule as `- <a id="NAME"></a>**NAME** — sentence`. The keyword in the sentence is its level.
The suite keeps the effects in effects.json.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

from . import data
from .results import Level, Rule

_LEVELS: dict[str, Level] = {"MUST": "MUST", "SHOULD": "SHOULD", "MAY": "MAY"}
_RULE = re.compile(
    r'^- <a id="(?P<name>[a-z0-9.-]+)"></a>\*\*(?P=name)\*\* — (?P<text>.*?)(?=\n\n|\n- |\Z)', re.S | re.M
)
_EFFECTS = Path(__file__).with_name("effects.json")


@cache
def rules() -> tuple[Rule, ...]:
    """Returns every rule, in the order of the specification."""
    effects = read_effects()
    text = data.spec_file().read_text(encoding="utf-8")
    return tuple(
        Rule(match["name"], _level(match["text"]), _plain(match["text"]), effects.get(match["name"], ""))
        for match in _RULE.finditer(text)
    )


def read_effects() -> dict[str, str]:
    """Returns for each rule one sentence: the effect on a user if it is broken."""
    effects: dict[str, str] = json.loads(_EFFECTS.read_text(encoding="utf-8"))
    return effects


def link(rule: str) -> str:
    """Returns the link to the rule, from the root of the repository."""
    return f"spec/kcom5.md#{rule}"


def _level(text: str) -> Level:
    found = re.search(r"\b(MUST|SHOULD|MAY)\b", text)
    if found is None:
        raise ValueError(f"a rule without a keyword: {text[:60]!r}")
    return _LEVELS[found[1]]


def _plain(markdown: str) -> str:
    text = " ".join(markdown.split())
    text = re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", text)
    return re.sub(r"[`*]", "", text)
