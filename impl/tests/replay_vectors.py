#!/usr/bin/env python3
"""Replays the vectors through a core, in all the ways of vectors/README.md. Usage: replay_vectors.py [PEER].

PEER is a program of fuzz/differential/README.md; without one, the peer is at the other ends of standard input and
output. KCOM5_REPLAYED names a file for the number of vectors of each rule.
"""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "fuzz/differential"))

import bases
import engine
import reader
from inputs import block_of, sized, words_of


class Caller:
    """The program at the other ends of standard input and output, as a peer."""

    def send(self, question: bytes) -> None:
        sys.stdout.buffer.write(question)
        sys.stdout.flush()

    def receive(self) -> bytes | str:
        size = int.from_bytes(sys.stdin.buffer.read(4), "little")
        return sys.stdin.buffer.read(size) or "no answer"

    def close(self) -> None:
        pass


def main() -> int:
    peer = engine.Program("core", sys.argv[1:]) if sys.argv[1:] else Caller()
    failed: dict[str, str] = {}
    for replay in bases.replayed():
        peer.send(sized(block_of([replay.given])))
        answer = peer.receive()
        if isinstance(answer, str) or not replay.is_right(answer[4], answer[9:]):
            wanted = f"{engine.OUTCOMES[replay.outcome]}, details {replay.details.hex()}"
            words = f"got {engine.verdict_of(replay.given, answer)}, expected {wanted}; input: {words_of(replay.given)}"
            failed.setdefault(replay.id, f"{replay.id}: {words}")
        if isinstance(answer, str):
            break
    peer.close()
    if failed:
        hint = "if every language says this, correct the vector in vectors/source, and run vectors/expand.py"
        print(*list(failed.values())[:10], f"{len(failed)} vectors have failed; {hint}", sep="\n", file=sys.stderr)
        return 1
    counts = Counter(vector.rule for vector in reader.load() if not vector.is_live)
    print(f"replayed {counts.total()} vectors of {len(counts)} rules", file=sys.stderr)
    if "KCOM5_REPLAYED" in os.environ:
        Path(os.environ["KCOM5_REPLAYED"]).write_text(json.dumps(counts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
