#!/usr/bin/env python3
"""Makes the seed corpus from the vectors: folders `address`, `client` and `server`, with a file for each input.

Usage: make_corpus.py FOLDER. It replaces the content of the folder. A file is named after the first vector with its
bytes, with `+` for `/`. The corpus is not stored, because the vectors have the same content.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "vectors"))

import reader  # noqa: E402

MOST = 4096  # bytes; longer streams have the same fields with more data


def inputs(vector: reader.Vector) -> list[tuple[str, bytes]]:
    """Returns the corpus and the input of each stream of a vector."""
    if vector.role in ("pack", "unpack"):
        return [("address", (vector.outcome.get("out", "") if vector.role == "pack" else vector.give["in"]).encode())]
    streams = [(vector.role, vector.octets_of("send"))]
    if vector.role == "server":
        message, data = vector.message, vector.data
        lengths = len(message).to_bytes(4, "little"), len(data).to_bytes(8, "little")
        frame = lengths[0] + message + lengths[1] + data
        streams += [("client", vector.octets_of("expect")), ("client", b"KCOM5" + reader.NONCE + frame)]
    return streams


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 0 if sys.argv[1:] in (["-h"], ["--help"]) else 2
    folder = Path(sys.argv[1])
    seen: dict[str, dict[bytes, str]] = {"address": {}, "client": {}, "server": {}}
    for vector in reader.load():
        for corpus, octets in inputs(vector):
            if octets and len(octets) <= MOST:
                seen[corpus].setdefault(octets, vector.id.replace("/", "+"))
    for corpus, files in seen.items():
        shutil.rmtree(folder / corpus, ignore_errors=True)
        (folder / corpus).mkdir(parents=True)
        for octets, name in files.items():
            path = folder / corpus / name
            path = path.with_name(f"{name}+given") if path.exists() else path  # a vector with two streams
            path.write_bytes(octets)
        print(f"{corpus}: {len(files)} inputs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
