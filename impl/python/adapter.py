"""The adapter of the Python implementation, by conformance/ADAPTER.md. It runs from the tree, installed or not.

With `--asyncio` it uses `kcom5.aio`, in an event loop for each call.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

import kcom5
from kcom5.compat import timeout_of

Json = dict[str, Any]
ends: Any = kcom5
if "--asyncio" in sys.argv:
    import asyncio  # the suite starts many adapters, and this takes as long as all the rest

    from kcom5 import aio as ends
SUPPORTS = ["pack", "send", "receive", "tcp4", "tcp6", "unix", "port-zero", "limits", "file", "message", "message-file"]


def octets_of(rule: Json) -> bytes:
    if "hex" in rule:
        return bytes.fromhex(rule["hex"])
    size = int(rule["size"])
    if rule["fill"] == "00":
        return bytes(size)  # a message may have 4 GiB, so no memory is touched
    unit = bytes(range(251)) if rule["fill"] == "counter251" else bytes.fromhex(rule["fill"])
    return (unit * -(-size // len(unit)))[:size]


def result_of(call: Any) -> Any:
    """The result of a call, awaited if it is a coroutine."""
    return asyncio.run(call) if ends is not kcom5 and asyncio.iscoroutine(call) else call


def answer(request: Json, client: Any) -> Json:
    place: Json = {key: request[key] for key in ("port", "path") if key in request}
    if "close" in request:
        place["timeout"] = timeout_of(request["close"])
    match request:
        case {"op": "about"}:
            return {"name": "kcom5-python", "version": kcom5.__version__, "language": "python", "supports": SUPPORTS}
        case {"op": "pack", "port": port, "key": key}:
            return {"address": kcom5.pack(port, bytes.fromhex(key))}
        case {"op": "unpack", "address": address}:
            port, key = kcom5.unpack(address)
            return {"port": port, "key": key.hex()}
        case {"op": "send", "via": "tcp4" | "tcp6" | "unix" as via}:
            message, data = request.get("message", ""), request.get("data", {"hex": ""})
            server = ends.Server(**place, ipv6=via == "tcp6")
            server.listening = lambda bound: print(json.dumps({"listening": bound}), flush=True)
            server.message = message if isinstance(message, str) else octets_of(message)
            sent = result_of(server.send_file(data["file"]) if "file" in data else server.send(octets_of(data)))
            return {"ok": True, "confirmed": sent.confirmed}
        case {"op": "receive", "via": "tcp4" | "tcp6" | "unix" as via}:
            limits = kcom5.Limits(**request.get("limits", {}))
            vars(client).update(place, ipv6=via == "tcp6", limits=limits, message=request.get("message", ""))
            client.message_file = request.get("message_file")
            if "to" in request:
                size, sha256 = result_of(client.receive_file(request["to"]["file"])), hashlib.sha256()
                if not Path(request["to"]["file"]).is_file():  # bytes that went into a pipe cannot be read again
                    return {"ok": True, "message": client.message}
                with Path(request["to"]["file"]).open("rb") as file:
                    while block := file.read(1 << 20):
                        sha256.update(block)
                return {"ok": True, "message": client.message, "data": {"size": size, "sha256": sha256.hexdigest()}}
            view = result_of(client.receive_view())
            data = {"size": len(view), "sha256": hashlib.sha256(view).hexdigest()}
            if len(view) <= 4096:
                data["hex"] = view.hex()
            return {"ok": True, "message": client.message, "data": data}
    return {"unsupported": True}


for line in sys.stdin:
    request, client = json.loads(line), ends.Client()
    try:
        result = answer(request, client)
    except kcom5.KcomError as error:
        result = {"error": error.name, "detail": error.detail}
        if "message" in request and request["op"] == "receive":
            result["message"] = client.message
    print(json.dumps(result), flush=True)
