"""The configurations of the model: which ends, transports, sizes, bounds and faults are tried together."""

from __future__ import annotations

from dataclasses import dataclass

from names import ALL_RULES, CLIENTS, FAULTS, SERVERS, TRANSPORTS

FAULT_BITS = {name: 1 << bit for bit, name in enumerate(FAULTS)}
OTHER_USER = FAULT_BITS["F_OTHER_USER"]
ANY_FAULT = sum(FAULT_BITS.values()) - OTHER_USER
SERVER_FAULTS = FAULT_BITS["F_S_FAILS"] + FAULT_BITS["F_S_CANCELS"] + FAULT_BITS["F_S_KILLED"]


@dataclass(frozen=True)
class Config:
    """One configuration.

    Sizes are octets of message and data; `bound` is whether T is positive; `room` octets fit the client's system.
    """

    transport: str
    client: str = "ORDINARY_CLIENT"
    server: str = "ORDINARY_SERVER"
    message: int = 2
    data: int = 2
    bound: bool = True
    room: int = 2
    faults: int = 0
    rules: int = ALL_RULES

    def text(self) -> str:
        """As KCOM5_CONFIGS has it."""
        numbers = (
            TRANSPORTS.index(self.transport),
            CLIENTS.index(self.client),
            SERVERS.index(self.server),
            self.message,
            self.data,
            int(self.bound),
            self.room,
            self.faults,
            self.rules,
        )
        return " ".join(map(str, numbers)) + ";"

    def group(self) -> str:
        """Who meets whom, for the table of results."""
        if self.faults == OTHER_USER:
            return "another user's peer"
        client, server = (name.replace("_", " ").lower() for name in (self.client, self.server))
        if self.client == "ORDINARY_CLIENT" and self.server == "ORDINARY_SERVER":
            return "ordinary ends"
        return f"client: {client}" if self.server == "ORDINARY_SERVER" else f"server: {server}"


def small() -> list[Config]:
    """What `./check spec` tries: each end, transport and fault at least once."""
    found = []
    for transport in TRANSPORTS:
        for bound in (True, False):
            for faults in (0, SERVER_FAULTS, ANY_FAULT):
                found += [Config(transport, message=size, data=size, bound=bound, faults=faults) for size in (2, 0)]
                for client in CLIENTS[1:]:
                    rooms = {"EXTRA": (2,), "DISHONEST": (2,), "HALF_CLOSING": (2, 10)}.get(client, (10,))
                    found += [
                        Config(transport, client, message=1, data=1, bound=bound, faults=faults, room=room)
                        for room in rooms
                    ]
            for server in SERVERS[1:]:
                found.append(Config(transport, server=server, message=1, data=1, bound=bound, faults=ANY_FAULT))
    return [*found, Config("UNIX", message=0, data=0, faults=OTHER_USER)]


def large() -> list[Config]:
    """Every client with every server; every size and room with the ordinary server."""
    found = []
    for transport in TRANSPORTS:
        for client in CLIENTS:
            for server in SERVERS:
                is_ordinary = server == "ORDINARY_SERVER"
                found += [
                    Config(transport, client, server, message, data, bound, room, faults)
                    for message, data in ([(m, d) for m in range(3) for d in range(3)] if is_ordinary else [(1, 1)])
                    for bound in (True, False)
                    for room in ((2, 12) if is_ordinary else (2,))
                    for faults in (0, SERVER_FAULTS, ANY_FAULT)
                ]
    found += [
        Config("UNIX", message=size, data=size, bound=bound, faults=OTHER_USER)
        for size in range(3)
        for bound in (True, False)
    ]
    return found
