"""Adapters that break the contract of ADAPTER.md, not the protocol. Usage: `odd_adapter.py MANNER [FILE]`.

Everything else is the reference peer.

Some are odd from the start, others when a request to send or receive has the message "now".
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from reference_peer import ReferencePeer


class Odd(ReferencePeer):
    """The adapter; `manner` is one word of the command line."""

    def __init__(self, manner: str, file: str) -> None:
        self.manner, self.file = manner, file
        self.is_turn = self.had_turn = False

    def main(self) -> None:
        if self.manner == "banner":
            print("welcome", flush=True)
        if self.manner == "exits-at-once":
            sys.exit("there is nothing to do")
        super().main()
        if self.manner == "deaf":
            forever()
        if self.manner == "ends-by-7" or (self.manner == "ends-by-7-after-its-turn" and self.is_turn):
            sys.exit(7)

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        operation = request["op"]
        if operation == "about":
            self.at_about()
        if self.manner == "unsupported" or (self.manner == "liar" and operation != "about"):
            return {"unsupported": True}
        if self.manner == "serves-no-more" and self.had_turn and operation != "about":
            return {"unsupported": True}
        if self.manner == "segv-first" and operation == "send":
            fall()
        if self.manner == "dances" and operation == "dance":
            return {"ok": True}
        if self.manner == "hates-strangers" and operation == "dance":
            sys.exit(5)
        self.is_turn = request.get("message") == "now"
        if self.is_turn:
            self.had_turn = True
            self.at_turn()
        answer = super().answer(request)
        if self.manner == "reads-no-more" and self.is_turn:
            self.say(answer)
            forever()
        if self.manner == "hangs-afterwards" and self.is_turn:
            self.say(answer)
            forever()
        if self.manner == "stuck" and operation == "send":
            forever()
        if self.manner == "nameless" and "error" in answer:
            answer["error"] = "error"
        return answer

    def at_about(self) -> None:
        if self.manner == "mute":
            forever()
        if self.manner == "garbage":
            print("Hello, World!", flush=True)
        if self.manner == "half-a-line":
            print('{"name"', end="", flush=True)
            forever()
        while self.manner == "endless-line":
            print("x" * 65536, end="", flush=True)

    def at_turn(self) -> None:
        if self.manner == "segv":
            fall()
        if self.manner == "exits":
            sys.exit("out of memory")
        if self.manner == "hangs":
            forever()
        if self.manner == "garbles":
            print("listening on port 80", flush=True)
        if self.manner == "loud":
            sys.stderr.write("noise\n" * 1_000_000)
            sys.stderr.flush()
        if self.manner == "floods":
            for _ in range(20):
                os.write(2, b"noise\n" * 200_000)
            os.write(2, b"the last words\n")
            sys.exit(3)
        if self.manner == "leaves-children":
            leave_a_child(self.file, in_its_session=True)
            leave_a_child(self.file, in_its_session=False)
        if self.manner == "nests":
            print("[" * 100_000, flush=True)
        if self.manner == "listens-elsewhere":
            print(json.dumps({"listening": "\ud800\0"}), flush=True)

    def say(self, answer: dict[str, Any]) -> None:
        if self.manner == "cuts-its-line" and "ok" in answer:
            print(json.dumps(answer)[:10], end="", flush=True)
            return
        if self.manner == "twice" and self.is_turn and "ok" in answer:
            print(f"{json.dumps(answer)}\n{json.dumps(answer)}", flush=True)
            return
        super().say(answer)
        if self.manner == "leaves" and self.is_turn and "ok" in answer:
            os._exit(0)

    def about(self, request: dict[str, Any]) -> dict[str, Any]:
        claims = {"claims-nothing": [], "claims-no-transport": ["send"], "only-packs": ["pack"]}
        return {**super().about(request), "supports": claims.get(self.manner, list(self.supports))}

    def encode_head(self, message: bytes, size: int) -> bytes:
        # Wrong once in three times, counted over all processes.
        if self.manner == "unsteady" and self.is_turn:
            with Path(self.file).open("a+b") as log:
                log.write(b".")
                if log.tell() % 3 == 1:
                    return super().encode_head(message + b"!", size)
        return super().encode_head(message, size)


def leave_a_child(file: str, in_its_session: bool) -> None:
    """Starts a process that nobody waits for, and that writes its id to the file."""
    if (child := os.fork()) > 0:
        os.waitpid(child, 0)
        return
    if not in_its_session:
        os.setsid()
    if os.fork() == 0:
        with Path(file).open("a") as log:
            log.write(f"{os.getpid()}\n")
        for number in range(3):
            os.close(number)
        forever()
    os._exit(0)


def fall() -> NoReturn:
    print("about to fall", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGSEGV)
    forever()


def forever() -> NoReturn:
    while True:
        time.sleep(60)


if __name__ == "__main__":
    Odd(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "").main()
