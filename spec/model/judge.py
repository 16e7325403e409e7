"""What a run of the model says about the tables: cells that are not reached, dashes that are, and how the ends end."""

from __future__ import annotations

from names import CLIENTS, SERVERS
from promela import Numbers
from spin import Result
from tables import Reason, Table, reachable_dashes

# When a client succeeds whose server keeps the rules, the server ends in one of these ("Closing": not known).
SERVER_OF_A_SUCCESS = {"confirmed", "not confirmed", "unconfirmed", "io", "killed"}


def cell_faults(tables: dict[str, Table], reasons: list[Reason], result: Result) -> list[str]:
    """Every cell is reached; of the dashes, those whose reason says that they are right, and no other."""
    faults = []
    for role, table in tables.items():
        reached = {(state, event) for who, state, event in result.hits if who == role}
        dashes, right = table.dashes(), reachable_dashes(table, reasons)
        for place, cell in table.cells.items():
            name = " × ".join(place)
            if place not in dashes and place not in reached:
                faults.append(f"{role}: {name} ({cell.text}) is never reached")
            elif place in right - reached:
                faults.append(f"{role}: the dash {name} is said to be right, but never reached")
            elif place in reached & (dashes - right):
                faults.append(f"{role}: the dash {name} is said not to happen, but is reached")
    return faults


def pairs(tables: dict[str, Table], result: Result) -> dict[str, set[tuple[str, str]]]:
    """For each client that keeps the rules, with a server that does: how the server and the client ended."""
    ends = [*Numbers(tables).errors, "confirmed", "not confirmed", "killed", "waits"]
    ends[0] = "?"
    found: dict[str, set[tuple[str, str]]] = {}
    for client, server, first, second in result.pairs:
        if SERVERS[server] == "ORDINARY_SERVER" and CLIENTS[client] != "DISHONEST":
            end = "ok" if ends[second] == "not confirmed" else ends[second]
            found.setdefault(CLIENTS[client], set()).add((ends[first], end))
    return found


def pair_faults(tables: dict[str, Table], result: Result) -> list[str]:
    """A client succeeds with no other server's end than the text lists; and with each of them."""
    seen = {server for ends in pairs(tables, result).values() for server, client in ends if client == "ok"}
    extra = [f"a client succeeds beside a server's {name}: not listed" for name in seen - SERVER_OF_A_SUCCESS]
    return sorted(extra + [f"no client succeeds beside a server's {name}" for name in SERVER_OF_A_SUCCESS - seen])
