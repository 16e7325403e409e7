"""What comes of the samples: which targets are met, tables, plots, and the files with them."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import report
from report import Row, Spread, Target
from samples import available_memory
from ways import BEST, GROUPS, MINIMUM, PLAIN, PROGRAMS, SMALL, WAYS


def machine() -> dict[str, str]:
    def first_line(path: str) -> str:
        try:
            return Path(path).read_text().splitlines()[0]
        except (OSError, IndexError):
            return "unknown"

    said: dict[str, str] = {}  # of the first processor
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            said.setdefault(name.strip(), value.strip())
    model = said.get("model name") or platform.processor() or platform.machine()
    kind = [f"{name.removeprefix('cpu ')} {said[name]}" for name in ("cpu family", "model") if name in said]
    memory = available_memory()
    return {
        "processor": ", ".join([model, *kind, *({"fsrm"} & set(said.get("flags", "").split()))]),
        "cores": str(os.cpu_count()),
        "free memory": report.size_name(memory) if memory else "unknown",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "congestion control of the system": first_line("/proc/sys/net/ipv4/tcp_congestion_control"),
        "transparent huge pages": first_line("/sys/kernel/mm/transparent_hugepage/enabled"),
        "Python": platform.python_version(),
    }


def named_by_size(row: Row) -> Row:
    name = report.size_name(row.size)
    return Row(row.group, row.size, f"{name}, {row.way}", f"{name}, {row.baseline}", row.samples)


class Results:
    def __init__(
        self, rows: list[Row], codec_times: dict[str, dict[str, dict[str, float]]], idle: float | None
    ) -> None:
        self.rows = [row for row in rows if row.samples]
        self.codec = codec_times
        self.idle = idle
        self.picks = {way.name for way in WAYS if way.is_pick} | {
            program.name for program in PROGRAMS if program.is_pick
        }

    def row(self, group: str, way: str, size: int | None = None) -> Row | None:
        """At the greatest size, if none is given."""
        found = [row for row in self.rows if row.group == group and row.way == way and size in (None, row.size)]
        return max(found, key=lambda row: row.size, default=None)

    def blocks(self) -> Iterator[tuple[str, list[Row]]]:
        keys = list(
            dict.fromkeys(
                (row.group, row.size if row.group != "cost" else -1) for row in self.rows if row.group != "calls"
            )
        )
        for group, size in keys:
            rows = [row for row in self.rows if row.group == group and size in (-1, row.size)]
            if group == "cost":
                yield GROUPS[group], [named_by_size(row) for row in rows]
            else:
                yield GROUPS[group] + (f", {report.size_name(size)}" if size else ""), rows

    def speed(self, group: str, way: str, against: str) -> tuple[Spread | None, str]:
        ours, other = self.row(group, way), self.row(group, against)
        found = report.ratios(other, ours) if ours and other else None
        return found, f"{found} at {report.size_name(ours.size)}" if found and ours else "–"

    def targets(self) -> list[Target]:
        result = []

        def faster(what: str, group: str, way: str, against: str, wanted: float) -> None:
            found, shown = self.speed(group, way, against)
            result.append(Target(what, f"≥ {wanted:g} × {against}", shown, found.median >= wanted if found else None))

        faster("C++ memory to memory", "memory", "C++", BEST, 0.95)
        faster("C++ memory to memory", "memory", "C++", PLAIN, 3)
        faster("C++ file to file", "file", "C++", BEST, 0.95)
        row = self.row("file", "C++")
        if row and self.idle is not None:
            above = max(max(row.values("sender_peak")), max(row.values("receiver_peak"))) - self.idle
            result.append(
                Target(
                    "C++ file to file, memory of each side",
                    "≤ 8 MiB above an idle process",
                    f"{above / report.MIB:.1f} MiB at {report.size_name(row.size)}",
                    above <= 8 * report.MIB,
                )
            )
        else:
            result.append(Target("C++ file to file, memory of each side", "≤ 8 MiB above an idle process", "–", None))
        ours, least = self.row("small", "C++"), self.row("small", MINIMUM)
        found = report.ratios(ours, least, "p50") if ours and least else None
        result.append(
            Target(
                "C++ small exchange in process, p50",
                f"≤ 1.10 × {MINIMUM}",
                str(found or "–"),
                found.median <= 1.10 if found else None,
            )
        )
        faster("Go memory to memory", "memory", "Go", "Go raw", 0.95)
        has_huge_pages = (
            "never"
            not in [word.strip("[]") for word in machine()["transparent huge pages"].split() if word.startswith("[")]
            and platform.system() == "Linux"
        )
        faster("Python memory to memory", "memory", "Python", "Python raw", 1.5 if has_huge_pages else 0.9)
        result += self.against_picks()
        result.append(self.linear())
        for work, most, none in (("head_decode", 50, True), ("unpack", 200, False)):
            times = self.codec.get("C++", {}).get(work)
            wanted = f"≤ {most} ns" + (", no allocation" if none else "")
            shown = f"{times['ns']:.0f} ns, {times['allocations']:g} allocations" if times else "–"
            result.append(
                Target(
                    f"C++ {work.replace('_', ' ')}",
                    wanted,
                    shown,
                    times["ns"] <= most and not (none and times["allocations"] >= 0.001) if times else None,
                )
            )
        return result

    def against_picks(self) -> Iterator[Target]:
        """In each row that has one of them: how far behind the first ours is."""
        for group, size in dict.fromkeys(
            (row.group, row.size) for row in self.rows if row.way in self.picks and row.group not in ("calls",)
        ):
            is_bulk = size > SMALL
            ours = self.row(group, "C++", size)
            picks = [row for row in self.rows if (row.group, row.size) == (group, size) and row.way in self.picks]
            name = {"program": "programs"}.get(group, group)
            what = f"C++ against others: {name}, {report.size_name(size or SMALL)}"
            wanted = "first" if is_bulk else "first, or within 1.2 × of the first"
            if not ours:
                yield Target(what, wanted, "–", None)
                continue
            first = min(picks, key=lambda row: row.median("seconds") or 0)
            behind = report.ratios(ours, first)
            assert behind
            yield Target(
                what,
                wanted,
                f"{behind} × the time of {first.way}, the best of the others",
                behind.median <= (1.0 if is_bulk else 1.2),
            )

    def linear(self) -> Target:
        """What an exchange without data costs is taken off, so that the octets' cost is left."""
        rows = [row for row in self.rows if row.group == "cost" and row.way == "C++"]
        what, wanted = (
            "C++ cost against size from 64 KiB",
            "time as the power 0.9 to 1.1 of the size, memory flat within 1 MiB",
        )
        empty = next((row.median("seconds") for row in rows if row.size == 0), None)
        points = [(float(row.size), (row.median("seconds") or 0) - (empty or 0)) for row in rows if row.size >= 1 << 16]
        points = [(x, y) for x, y in points if y > 0]
        if empty is None or len(points) < 3:
            return Target(what, wanted, "–", None)
        power = report.slope(points)
        large = [row for row in rows if row.size >= 1 << 20]
        peaks = [max(row.median("sender_peak") or 0, row.median("receiver_peak") or 0) for row in large]
        rise = (max(peaks) - min(peaks)) / report.MIB if peaks else 0.0
        shown = f"power {power:.2f}, memory {rise:.1f} MiB, up to {report.size_name(points[-1][0])}"
        return Target(what, wanted, shown, 0.9 <= power <= 1.1 and rise <= 1)

    def plots(self) -> dict[str, str]:
        cost: dict[str, list[tuple[float, float]]] = {}
        for row in (row for row in self.rows if row.group == "cost"):
            cost.setdefault(row.way, []).append((float(row.size), row.median("seconds") or 0.0))
        bars = []
        for row in (row for row in self.rows if row.group != "cost"):
            other = self.row(row.group, row.baseline, row.size)
            found = report.ratios(other, row) if other and other is not row else None
            if found:
                size = f", {report.size_name(row.size)}" if row.size else ""
                bars.append((f"{row.group}{size}: {row.way} / {row.baseline}", found))
        return {
            "cost.svg": report.line_plot("File to file: time against size", cost),
            "ratios.svg": report.bar_plot("Speed by that of the baseline (longer is faster)", bars),
        }

    def tables(self, targets: list[Target]) -> Iterator[tuple[str, list[str], list[list[str]]]]:
        for title, rows in self.blocks():
            yield title, *report.group_table(rows)
        calls = [row for row in self.rows if row.group == "calls"]
        if calls:
            lines = []
            for row in calls:
                sample = row.samples[0]
                each = sorted(
                    ((name.removeprefix("calls."), count) for name, count in sample.items() if name != "calls"),
                    key=lambda item: -item[1],
                )
                lines.append(
                    [row.way, f"{sample['calls']:.0f}", ", ".join(f"{name} {count:g}" for name, count in each[:12])]
                )
            yield GROUPS["calls"] + ", both ends, without locks", ["way", "calls", "the most frequent"], lines
        if self.codec:
            lines = []
            for language, works in self.codec.items():
                for work, times in works.items():
                    allocations = f"{times['allocations']:g}" if "allocations" in times else "–"
                    lines.append([f"{language} {work.replace('_', ' ')}", f"{times['ns']:.0f} ns", allocations])
            yield GROUPS["codec"], ["what", "time", "allocations"], lines
        yield "Targets", *report.target_table(targets)


def write_json(
    path: Path, results: Results, targets: list[Target], not_run: dict[str, str], rounds: int, where: str
) -> None:
    content: dict[str, Any] = {
        "machine": machine(),
        "rounds": rounds,
        "files": where,
        "rows": [asdict(row) for row in results.rows],
        "codec": results.codec,
        "idle_peak": results.idle,
        "targets": [{**asdict(target), "verdict": target.verdict} for target in targets],
        "not_run": not_run,
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def markdown(results: Results, targets: list[Target], not_run: dict[str, str], rounds: int, where: str) -> str:
    parts = [
        "# Results",
        "",
        f"Written by `./impl/bench/run --write`: medians of {rounds} interleaved rounds, {where}. "
        "How to read them: [README.md](README.md).",
        "",
    ]
    parts += [report.markdown_table(["machine", ""], [[name, value] for name, value in machine().items()]), ""]
    parts += ["![ratios](ratios.svg)", "", "![cost against size](cost.svg)", ""]
    tables = list(results.tables(targets))
    for title, head, rows in [tables[-1], *tables[:-1]]:
        parts += [f"## {title[0].upper()}{title[1:]}", "", report.markdown_table(head, rows), ""]
    if not_run:
        parts += ["## Not run", "", report.markdown_table(["row", "why"], [list(item) for item in not_run.items()]), ""]
    return "\n".join(parts)
