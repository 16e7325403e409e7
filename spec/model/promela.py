"""Make the C header of the model out of the spec's tables: names, cells, properties."""

from __future__ import annotations

from collections.abc import Iterable

import names
from tables import ROLES, Cell, Table


def symbol(name: str) -> str:
    return name.replace("-", "_").replace(" ", "_")


def events(tables: dict[str, Table]) -> list[str]:
    """Both tables' events; number 0 is none."""
    return ["none", *dict.fromkeys(event for role in ROLES for event in tables[role].events)]


def actions(tables: dict[str, Table]) -> list[str]:
    found = (cell.action for role in ROLES for cell in tables[role].cells.values())
    return ["", *sorted({*found, *names.ACTIONS} - {""})]


def errors(tables: dict[str, Table]) -> list[str]:
    return [
        "none",
        *sorted({cell.error for role in ROLES for cell in tables[role].cells.values()} - {""} | set(names.ERRORS)),
    ]


def define(prefix: str, values: Iterable[str]) -> list[str]:
    return [f"#define {prefix}{symbol(value)} {number}" for number, value in enumerate(values)]


def strings(name: str, values: Iterable[str]) -> str:
    quoted = ", ".join(f'"{value}"' for value in values)
    return f"static const char *{name}[] = {{{quoted}}};"


class Numbers:
    """The number of each name, as the header has them."""

    def __init__(self, tables: dict[str, Table]) -> None:
        self.tables = tables
        self.events, self.actions, self.errors = events(tables), actions(tables), errors(tables)

    def cell(self, role: str, cell: Cell) -> tuple[int, int, int]:
        error = self.errors.index(cell.error) if cell.error else 0
        return self.actions.index(cell.action), self.tables[role].states.index(cell.state), error

    def edit(self, role: str, state: str, event: str, cell: Cell) -> str:
        """One edit for KCOM5_EDITS."""
        place = ROLES.index(role), self.tables[role].states.index(state), self.events.index(event)
        return " ".join(map(str, (*place, *self.cell(role, cell)))) + ";"


def header(tables: dict[str, Table]) -> str:
    """The text of tables.h: for the preprocessor of Promela up to IN_C, then for C too."""
    numbers = Numbers(tables)
    lines = ["/* Made from the state tables of ../kcom5.md by promela.py. */"]
    lines += define("S_", tables["server"].states) + define("C_", tables["client"].states)
    lines += define("E_", numbers.events) + define("A_", [action or "none" for action in numbers.actions])
    lines += define("X_", numbers.errors) + define("D_", names.DEEDS)
    for group in (names.TRANSPORTS, names.CLIENTS, names.SERVERS):
        lines += define("", group)
    lines += [f"#define {name} {1 << bit}" for group in (names.FAULTS, names.RULES) for bit, name in enumerate(group)]
    lines += [f"#define P_{name} {number + 1}" for number, name in enumerate(names.PROPERTIES)]
    lines += [f"#define SEND_BUFFER {names.SEND_BUFFER}"]
    lines += ["#ifdef IN_C", f"#define N_STATES {max(len(table.states) for table in tables.values())}"]
    lines += [f"#define N_EVENTS {len(numbers.events)}", f"#define N_ERRORS {len(numbers.errors)}"]
    lines += [f"#define N_CLIENTS {len(names.CLIENTS)}", f"#define N_SERVERS {len(names.SERVERS)}"]
    lines += [strings("event_names", numbers.events), strings("error_names", numbers.errors)]
    lines += [strings("deed_names", names.DEEDS)]
    lines += [strings("property_names", ["", *names.PROPERTIES])]
    states = ", ".join("{" + ", ".join(f'"{state}"' for state in tables[role].states) + "}" for role in ROLES)
    lines += [f"static const char *state_names[2][N_STATES] = {{{states}}};"]
    lines += ["static struct cell { unsigned char action, next, error; } cells[2][N_STATES][N_EVENTS] = {"]
    for role in ROLES:
        for (state, event), cell in tables[role].cells.items():
            kind = "S" if role == "server" else "C"
            place = f"[{ROLES.index(role)}][{kind}_{symbol(state)}][E_{symbol(event)}]"
            target = f"{kind}_{symbol(cell.state)}"
            action, error = symbol(cell.action or "none"), symbol(cell.error or "none")
            lines.append(f"  {place} = {{A_{action}, {target}, X_{error}}}, /* {cell.text.strip('`')} */")
    return "\n".join([*lines, "};", "#endif", ""])
