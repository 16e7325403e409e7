#!/usr/bin/env python3
"""Replays the vectors through a core, in all the ways of vectors/README.md. Usage: replay.py PEER.

PEER is a program of fuzz/differential/README.md. KCOM5_REPLAYED names a file for the number of vectors of each rule.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "fuzz/differential"))

import bases  # noqa: E402
import engine  # noqa: E402
from inputs import block_of, sized, words_of  # noqa: E402

import vectors  # noqa: E402 - found by bases


def is_right(answer: bytes | str, replay: bases.Replay) -> bool:
    """Whether the answer has the outcome and the details of the vector."""
    if isinstance(answer, str):
        return False
    outcome, details = answer[4], answer[9:]
    if not replay.has_offset:
        details = details[:1] + bytes(4) + details[5:]
    return (outcome, details) == (replay.outcome, replay.details)


def main() -> int:
    peer = engine.Program("core", sys.argv[1:])
    for replay in bases.replayed():
        peer.send(sized(block_of([replay.given])))
        answer = peer.receive()
        if not is_right(answer, replay):
            print(words_of(replay.given))
            print(f"  expected {engine.OUTCOMES[replay.outcome]}, details {replay.details.hex()}")
            print(f"  got      {engine.verdict_of(replay.given, answer)}")
            return 1
    peer.close()
    counts = Counter(vector.rule for vector in vectors.load() if not vector.is_live)
    print(f"replayed {counts.total()} vectors of {len(counts)} rules")
    if "KCOM5_REPLAYED" in os.environ:
        Path(os.environ["KCOM5_REPLAYED"]).write_text(json.dumps(counts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
