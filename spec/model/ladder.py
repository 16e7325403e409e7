"""A counter-example as a ladder like the spec's, and as a vector where the wire can show it."""

from __future__ import annotations

import json
import re
from typing import Any

import replay
from configs import Config
from reader import Vector
from tables import Table

HELLO = "4b 43 4f 4d 35 aa bb cc"
NONCE_HELLO = "4b 43 4f 4d 35 n0 n1 n2"
STEPS_OF_WORLD = {
    "LISTENS": ("server", "listens"),
    "SERVER_KILLED": ("server", "is killed"),
    "SERVER_LEAVES": ("server", "leaves"),
    "SERVER_STOPS": ("server", "stops"),
    "CLIENT_KILLED": ("client", "is killed"),
    "CLIENT_STOPS": ("client", "stops"),
    "STORES": ("client", "has everything, stores it"),
}
ARROWS = {
    "hello": "hello",
    "extra": "one more octet",
    "half-close": "FIN (half-close)",
    "close": "FIN (close)",
    "reset": "RST",
}


def octets(config: Config) -> list[str]:
    """The octets that stand for each place in what the server sends; a field is two places."""
    message, data = "686f", config.data
    letters = [message[2 * i : 2 * i + 2] for i in range(config.message)]
    places = ["4b 43 4f 4d", "35 n0 n1 n2", f"{config.message:02x} 00", "00 00", *letters]
    places += [f"{data:02x} 00 00 00", "00 00 00 00", *(f"{i:02x}" for i in range(data))]
    if config.server == "WRONG_ECHO":
        places[1] = "35 n0 n1 n2^01"
    if config.server == "OVER":
        places[2:4] = ["ff ff", "ff ff"]
    if config.server == "OVER_DATA":
        places[4 + config.message] = "ff ff ff ff"
    if config.server == "ILL_FORMED" and config.message:
        places[3 + config.message] = "ff"
    return places + ["00", "ff"] * (config.server == "TALKS_ON")


def ladder(steps: list[list[str]]) -> str:
    """The steps from top to bottom: the client's on the left, the server's on the right."""
    lines = [f"{'client':>28}      {'':34}      server"]

    def side(who: str, text: str) -> None:
        left, right = (text, "") if who == "client" else ("", text)
        row = f"{left:>32}  |{'':34}|  {right}".rstrip()
        if lines[-1] != row:
            lines.append(row)

    def arrow(who: str, text: str) -> None:
        label = f" {text} ".center(32, "-")
        lines.append(f"{'':>32}  |{label + '->' if who == 'client' else '<-' + label}|")

    for kind, *words in steps:
        if kind == "wire":
            arrow(words[0], ARROWS[words[1]])
        elif kind == "event" and words[2] != "more":
            side("client" if words[0] == "1" else "server", f"{words[2]}: {words[3]}")
        elif kind == "step" and words[0] in STEPS_OF_WORLD:
            side(*STEPS_OF_WORLD[words[0]])
        elif kind == "step" and words[0] in ("CONNECTS", "TICK"):
            text = " connects " if words[0] == "CONNECTS" else " T passes "
            lines.append(f"{'':>32}  |{text.center(34, '~' if words[0] == 'TICK' else '-')}|")
        elif kind == "step" and words[0] == "WRITES":
            label = f" octet {int(words[3]) + 1} "
            lines.append(f"{'':>32}  |<-{label.center(32, '-')}|")
    return "\n".join(lines)


def conversation(role: str, steps: list[list[str]], config: Config) -> list[list[str]]:
    """What the peer of `role` does and sees, as the steps of a vector."""
    places, found = octets(config), []
    is_expecting = role == "client"
    for kind, *words in steps:
        if kind == "wire" and words[0] != role:
            if words[1] == "hello":
                found.append(["send", HELLO])
                is_expecting = True
            else:
                found.append(["send", "00"] if words[1] == "extra" else [words[1]])
        elif kind == "wire" and words == ["client", "hello"]:
            found.append(["expect", NONCE_HELLO])
        elif kind == "step" and words[0] == "WRITES" and role == "client":
            octet = places[int(words[3])]
            if found and found[-1][0] == "send":
                found[-1][1] += " " + octet
            else:
                found.append(["send", octet])
        elif kind == "wire" and words == ["server", "half-close"] and is_expecting:
            found += [["expect", " ".join(places).replace("n0 n1 n2", "aa bb cc")], ["expect-end"]]
            is_expecting = False
        elif kind == "event" and words[2] == "timeout" and (words[0] == "1") == (role == "client"):
            found.append(["stall"])
    return found


def vector(
    tables: dict[str, Table], edited: dict[str, Table], title: str, steps: list[list[str]], config: Config
) -> dict[str, Any] | None:
    """The counter-example as a vector that the edited tables do not pass, or None: the wire cannot show it."""
    for role in (role for role in tables if tables[role] != edited[role]):
        talk = conversation(role, steps, config)
        give: dict[str, Any] = {} if role == "client" else {"message": "ho"[: config.message], "data": data_of(config)}
        if ["stall"] in talk:
            give["close"] = 1
        if config.server == "OVER_DATA":
            give["limits"] = {"data": 2}
        base = Vector("close.confirm/found", "close.confirm", role, {"ok": True}, tuple(map(tuple, talk)), give)
        end = replay.finish(tables[role], base)
        outcome = replay.outcome_of(end)
        if outcome and replay.play(edited[role], Vector(base.id, base.rule, role, outcome, base.steps, give), False):
            rule = "result.success" if role == "client" else "close.confirm"
            slug = "-".join(re.findall("[a-z0-9]+", title.lower()))
            level = "MUST" if role == "client" else "SHOULD"
            shown = {
                "id": f"{rule}/{slug}",
                "rule": rule,
                "level": level,
                "role": role,
                "note": f"found by the model: {title}",
            }
            return {**shown, **({"give": give} if give else {}), "steps": talk, "outcome": outcome}
    return None


def data_of(config: Config) -> str:
    return " ".join(f"{i:02x}" for i in range(config.data))


def written(entry: dict[str, Any]) -> str:
    """A file that vectors/check.py takes."""
    return json.dumps({"about": "found by the model", "vectors": [entry]}, indent=2) + "\n"
