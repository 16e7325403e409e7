"""Escapes every text that does not come from the suite: paths, messages, standard error, ids."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_SUSPECT = re.compile("[^\t\n\x20-\x7e]")
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Invisible characters whose category is that of letters and marks."""


def safe(text: str) -> str:
    r"""Escapes characters that could control a terminal or mislead a reader. Line ends and tabs stay.

    Control characters become `\x1b`, half surrogate pairs, format characters and invisible ones `\u{202e}`.
    """
    return _SUSPECT.sub(lambda match: _shown(match[0]), text)


def one_line(text: str) -> str:
    """Escapes as `safe` does, and also line ends and tabs."""
    return safe(text).replace("\t", "\\x09").replace("\n", "\\x0a")


def escaped(character: str) -> str:
    r"""Returns a character as `\x1b` or `\u{202e}`."""
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{{{code:x}}}"


@lru_cache(4096)
def _shown(character: str) -> str:
    is_hidden = unicodedata.category(character) in ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")
    return escaped(character) if is_hidden or _INVISIBLE.match(character) else character
