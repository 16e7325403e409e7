"""What the benchmark makes of its samples: medians, ratios, tables, plots. It measures nothing.

A sample is what one row gave in one round: a dictionary from a measure's name to a number. Rows of the same round are
compared with each other, so that the load of the machine disturbs ratios least.
"""

from __future__ import annotations

import html
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

MIB = 1 << 20
COLOURS = ("#1f5fa8", "#c4561b", "#2d7d46", "#7a4fa3", "#8a6d1c", "#555555")


@dataclass
class Row:
    """One way, in one group at one size, over the rounds. `baseline` names the way it is compared with."""

    group: str
    size: int
    way: str
    baseline: str
    samples: list[dict[str, float]] = field(default_factory=list)

    def values(self, measure: str) -> list[float]:
        return [sample[measure] for sample in self.samples if measure in sample]

    def median(self, measure: str) -> float | None:
        values = self.values(measure)
        return statistics.median(values) if values else None


@dataclass
class Spread:
    """Median, least and greatest."""

    median: float
    least: float
    greatest: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.least:.2f}–{self.greatest:.2f})"


@dataclass
class Target:
    """`is_met` is None if it was not measured."""

    what: str
    target: str
    measured: str
    is_met: bool | None

    @property
    def verdict(self) -> str:
        return {True: "met", False: "NOT met", None: "not measured"}[self.is_met]


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def percentile(values: Sequence[float], share: float) -> float:
    """The least value that at least this share (0 to 1) of them do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def ratios(upper: Row, lower: Row, measure: str = "seconds") -> Spread | None:
    """Upper by lower, round by round; None if they have no round in common."""
    pairs = zip(upper.samples, lower.samples, strict=False)
    found = [a[measure] / b[measure] for a, b in pairs if measure in a and b.get(measure)]
    return spread(found) if found else None


def slope(points: Sequence[tuple[float, float]]) -> float:
    """The exponent of the power of x that fits y best: the slope of the least squares in logarithms."""
    x, y = [math.log(x) for x, _ in points], [math.log(y) for _, y in points]
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)


def size_name(size: float) -> str:
    for unit, name in ((1 << 30, "GiB"), (MIB, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size:.0f} octets"


def seconds_name(seconds: float) -> str:
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds * 1e9:.3g} ns"


Cells = list[list[str]]


def text_table(head: list[str], rows: Cells) -> str:
    """For a terminal: the first two columns to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]

    def line(row: list[str]) -> str:
        cells = (
            f"{cell:<{width}}" if i == 0 else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    return "\n".join([line(head), "  ".join("-" * width for width in widths), *map(line, rows)])


def markdown_table(head: list[str], rows: Cells) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _optional(value: float | None, show: Callable[[float], str]) -> str:
    return "–" if value is None else show(value)


def group_table(rows: list[Row]) -> tuple[list[str], Cells]:
    """Of rows of one group and size. Ratios above 1: faster than the baseline."""
    by_way = {row.way: row for row in rows}
    is_latency = any(row.values("p50") for row in rows)
    measures = ["p50", "p99"] if is_latency else ["time", "GiB/s", "CPU s/GiB"]
    head = ["way", *measures, "speed / baseline", "baseline", "peak sender", "peak receiver"]
    cells = []
    for row in rows:
        seconds, cpu, baseline = row.median("seconds"), row.median("cpu"), by_way.get(row.baseline)
        ratio = ratios(baseline, row) if baseline and baseline is not row else None
        if is_latency:
            line = [_optional(row.median(measure), seconds_name) for measure in measures]
        else:
            gib = row.size / (1 << 30)
            is_large = row.size >= 1 << 16  # what smaller ones cost is not by their octets
            line = [_optional(seconds, seconds_name)]
            line.append(f"{gib / seconds:.2f}" if seconds and is_large else "–")
            line.append(f"{cpu / gib:.2f}" if cpu is not None and is_large else "–")
        line += [str(ratio) if ratio else "–", row.baseline if ratio else "–"]
        line += [_optional(row.median(measure), size_name) for measure in ("sender_peak", "receiver_peak")]
        cells.append([row.way, *line])
    # Columns in which there is nothing are not shown.
    kept = [i for i in range(len(head)) if i == 0 or any(line[i] != "–" for line in cells)]
    return [head[i] for i in kept], [[line[i] for i in kept] for line in cells]


def target_table(targets: list[Target]) -> tuple[list[str], Cells]:
    return ["target", "wanted", "measured", "verdict"], [[t.what, t.target, t.measured, t.verdict] for t in targets]


def _svg(width: int, height: int, title: str, parts: list[str]) -> str:
    style = (
        "text{font:12px sans-serif;fill:#222}.t{font-size:15px;font-weight:bold}"
        ".g{stroke:#ddd}.e{text-anchor:end}.m{text-anchor:middle}"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
            f"<title>{html.escape(title)}</title>",
            f"<style>{style}</style>",
            f'<rect width="{width}" height="{height}" fill="#fff"/>',
            f'<text class="t" x="12" y="24">{html.escape(title)}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def line_plot(title: str, series: dict[str, list[tuple[float, float]]]) -> str:
    """Log-log: octets to the right, seconds up. What is 0 cannot be drawn and is left out."""
    drawn = {name: [(x, y) for x, y in points if x > 0 and y > 0] for name, points in series.items()}
    points = [point for line in drawn.values() for point in line]
    if not points:
        return _svg(320, 60, title + ": nothing was measured", [])
    left, right, top, bottom = 80, 700, 50, 380
    low_x, high_x = math.floor(math.log2(min(x for x, _ in points))), math.ceil(math.log2(max(x for x, _ in points)))
    low_y, high_y = math.floor(math.log10(min(y for _, y in points))), math.ceil(math.log10(max(y for _, y in points)))
    high_x, high_y = max(high_x, low_x + 1), max(high_y, low_y + 1)

    def at(x: float, y: float) -> tuple[float, float]:
        across = left + (math.log2(x) - low_x) / (high_x - low_x) * (right - left)
        return across, bottom - (math.log10(y) - low_y) / (high_y - low_y) * (bottom - top)

    parts = []
    for power in range(low_y, high_y + 1):
        _, y = at(2.0**low_x, 10.0**power)
        name = f'<text class="e" x="{left - 6}" y="{y + 4:.1f}">{seconds_name(10.0**power)}</text>'
        parts.append(f'<path class="g" d="M{left} {y:.1f}H{right}"/>{name}')
    step = max(1, (high_x - low_x) // 8)
    for power in range(low_x, high_x + 1, step):
        x, _ = at(2.0**power, 10.0**low_y)
        name = f'<text class="m" x="{x:.1f}" y="{bottom + 18}">{size_name(2.0**power)}</text>'
        parts.append(f'<path class="g" d="M{x:.1f} {top}V{bottom}"/>{name}')
    for i, (name, line) in enumerate(drawn.items()):
        colour = COLOURS[i % len(COLOURS)]
        places = [at(x, y) for x, y in sorted(line)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append("".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places))
        parts.append(f'<text x="{left + 12}" y="{top + 16 * (i + 1)}" style="fill:{colour}">{html.escape(name)}</text>')
    return _svg(720, 410, title, parts)


def bar_plot(title: str, bars: list[tuple[str, Spread]]) -> str:
    """A bar for each ratio with its spread as a line; 1, where both are as fast, is marked."""
    left, right, top, step = 330, 690, 44, 22
    most = max([1.0, *(bar.greatest for _, bar in bars)])

    def at(value: float) -> float:
        return left + value / most * (right - left)

    bottom = top + step * len(bars)
    parts = []
    for i, (name, bar) in enumerate(bars):
        y = top + i * step
        place = f'x="{left}" y="{y + 3}" width="{at(bar.median) - left:.1f}" height="{step - 6}"'
        parts.append(
            f'<text class="e" x="{left - 6}" y="{y + 14}">{html.escape(name)}</text>'
            f'<rect {place} fill="{COLOURS[0]}" fill-opacity="0.6"/>'
            f'<path d="M{at(bar.least):.1f} {y + step / 2}H{at(bar.greatest):.1f}" stroke="#222"/>'
            f'<text x="{at(max(bar.median, bar.greatest)) + 4:.1f}" y="{y + 14}">{bar.median:.2f}</text>'
        )
    parts.append(f'<path d="M{at(1):.1f} {top - 4}V{bottom}" stroke="{COLOURS[1]}" stroke-dasharray="4 3"/>')
    return _svg(740, bottom + 16, title, parts)
