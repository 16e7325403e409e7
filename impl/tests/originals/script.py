"""A script for the original Python module: `import kcom5 as kcom` is all that was changed."""

import hashlib
import sys

import kcom5 as kcom  # type: ignore[import-not-found, unused-ignore]


def main(command: str, *arguments: str) -> None:
    if command == "send":
        s = kcom.server()
        s.port = int(arguments[0])
        s.ipv6 = arguments[1] == "1"
        s.close = 10
        s.msg = arguments[2]
        s.send(sys.stdin.buffer.read())
    elif command == "receive":
        c = kcom.client()
        c.port = int(arguments[0])
        c.ipv6 = arguments[1] == "1"
        c.close = 10
        data = c.recieve()
        assert type(data) is bytes
        print(c.msg)
        print(hashlib.sha256(data).hexdigest())
    elif command == "pack":
        print(kcom.pack(int(arguments[0]), bytes.fromhex(arguments[1])))
    elif command == "unpack":
        port, key = kcom.unpack(arguments[0])
        assert type(key) is bytes
        print(port)
        print(key.hex())
    elif command == "defaults":
        for end in (kcom.server(), kcom.client()):
            print(str(end.ipv6).lower(), end.port, end.close, f"[{end.msg}]")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    try:
        main(*sys.argv[1:])
    except Exception:  # noqa: BLE001 (the original raised nothing narrower)
        print("failed")
