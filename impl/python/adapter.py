"""The adapter of the Python implementation, by conformance/ADAPTER.md. It runs from the tree, installed or not."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

import kcom5

Json = dict[str, Any]

PLACE = {"op", "via", "port", "path", "close"}
KEYS = {
    "about": {"op"},
    "pack": {"op", "port", "key"},
    "unpack": {"op", "address"},
    "send": PLACE | {"message", "data"},
    "receive": PLACE | {"limits", "to"},
}
VIAS = ["tcp4", "tcp6", "unix"]
ABOUT = {
    "name": "kcom5-python",
    "version": kcom5.__version__,
    "language": "python",
    "supports": ["pack", "send", "receive", *VIAS],
}


def say(line: Json) -> None:
    print(json.dumps(line), flush=True)


def is_supported(request: Json) -> bool:
    op, data, message = request.get("op"), request.get("data", {"hex": ""}), request.get("message", "")
    return (
        op in KEYS
        and request.keys() <= KEYS[op]
        and (op not in ("send", "receive") or request.get("via") in VIAS)
        and (isinstance(message, str) or message.keys() == {"hex"})
        and (data.keys() in ({"hex"}, {"file"}, {"size", "fill"}))
        and bool(re.fullmatch("[0-9a-f]{2}|counter251", data.get("fill", "00")))
        and request.get("limits", {}).keys() <= {"message", "data"}
        and request.get("to", {"file": ""}).keys() == {"file"}
    )


def place_of(request: Json) -> Json:
    """The fields that both ends have."""
    fields: Json = {key: request[key] for key in ("port", "path", "close") if key in request}
    return {**fields, "ipv6": request["via"] == "tcp6"}


def octets_of(data: Json) -> bytes:
    if "hex" in data:
        return bytes.fromhex(data["hex"])
    unit = bytes(range(251)) if data["fill"] == "counter251" else bytes.fromhex(data["fill"])
    size = int(data["size"])
    return (unit * (size // len(unit) + 1))[:size]


def send(request: Json) -> Json:
    message, data = request.get("message", ""), request.get("data", {"hex": ""})
    server = kcom5.Server(
        **place_of(request),
        msg=message if isinstance(message, str) else bytes.fromhex(message["hex"]),
        listening=lambda place: say({"listening": place}),
    )
    if "file" in data:
        server.send_file(data["file"])
    else:
        server.send(octets_of(data))
    return {"ok": True}


def receive(request: Json) -> Json:
    client = kcom5.Client(**place_of(request), limits=kcom5.Limits(**request.get("limits", {})))
    if "to" in request:
        size, sha256 = client.receive_file(request["to"]["file"]), hashlib.sha256()
        with Path(request["to"]["file"]).open("rb") as file:
            while block := file.read(1 << 20):
                sha256.update(block)
        return {"ok": True, "message": client.msg, "data": {"size": size, "sha256": sha256.hexdigest()}}
    view = client.receive_view()
    data: Json = {"size": len(view), "sha256": hashlib.sha256(view).hexdigest()}
    if len(view) <= 4096:
        data["hex"] = view.hex()
    return {"ok": True, "message": client.msg, "data": data}


def answer(request: Json) -> Json:
    if not is_supported(request):
        return {"unsupported": True}
    match request["op"]:
        case "pack":
            return {"address": kcom5.pack(request["port"], bytes.fromhex(request["key"]))}
        case "unpack":
            port, key = kcom5.unpack(request["address"])
            return {"port": port, "key": key.hex()}
        case "send":
            return send(request)
        case "receive":
            return receive(request)
    return ABOUT


for line in sys.stdin:
    try:
        say(answer(json.loads(line)))
    except kcom5.KcomError as error:
        say({"error": error.name, "detail": error.detail})
