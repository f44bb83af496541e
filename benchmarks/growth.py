"""Measures how time, requests and memory of a first load into DuckDB grow from 10,000 rows to a million.

Run it with `python benchmarks/growth.py`. The sandbox is a process of its own; no two rows of a table share a second.
Prints a table and draws it in `benchmarks/growth.svg`. Ends with exit code 1 if rows are missing.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.processes import Cost, machine, median, print_table
from benchmarks.sandbox_process import sandbox_process
from benchmarks.script import run_script
from wootric_pipeline.sandbox.query import PER_PAGE_MAX

SIZES, RUNS = (10_000, 50_000, 100_000, 1_000_000), 5
CHART = Path(__file__).with_name("growth.svg")

WIDTH, HEIGHT = 300, 260
LEFT, RIGHT, TOP, BOTTOM, INSET = 48, 12, 44, 40, 20
INK, FAINT, LINE = "#24292f", "#d0d7de", "#0969da"
HALO = 'stroke="white" stroke-width="3" paint-order="stroke"'


@dataclass(frozen=True)
class Load:
    """A first load of an account of a size: medians, and the most rows that were missing."""

    rows: int
    cost: Cost
    requests: int
    missing: int

    @property
    def least_requests(self) -> int:
        """Pages there are."""
        return ceil(self.rows / PER_PAGE_MAX)


@dataclass(frozen=True)
class Panel:
    """A chart over the number of rows; the values expected, if there are any, are a dashed line."""

    title: str
    values: Sequence[float]
    expected: Sequence[float] = ()
    is_logarithmic: bool = True

    def ticks(self) -> list[float]:
        """The values named on the axis, the least and the greatest at its ends."""
        if self.is_logarithmic:
            return _powers([*self.values, *self.expected])
        step = 10.0 ** floor(log10(max(self.values)))
        return [step * index for index in range(ceil(max(self.values) / step * 1.1) + 1)]


def first_load(rows: int, runs: int) -> Load:
    """Loads an account of so many rows a few times."""
    costs, requests, missing = [], 0, 0
    with sandbox_process("uniform", rows) as sandbox:
        for _ in range(runs):
            before = sandbox.requests()
            with tempfile.TemporaryDirectory() as folder:
                loaded = run_script(sandbox.url, Path(folder))
            costs.append(loaded.cost)
            requests, missing = sandbox.requests() - before, max(missing, rows - loaded.rows)
    return Load(rows, median(costs), requests, missing)


def chart(sizes: Sequence[int], panels: Sequence[Panel]) -> str:
    """The panels side by side, as an SVG image; rows are on a logarithmic axis."""
    width = WIDTH * len(panels)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {HEIGHT}" width="{width}" height="{HEIGHT}" '
        f'font-family="system-ui, sans-serif" font-size="11" fill="{INK}">',
        f'<rect width="{width}" height="{HEIGHT}" rx="6" fill="white"/>',
    ]
    for index, panel in enumerate(panels):
        lines += [f'<g transform="translate({index * WIDTH} 0)">', *_panel(sizes, panel), "</g>"]
    return "\n".join([*lines, "</svg>", ""])


def _panel(sizes: Sequence[int], panel: Panel) -> Iterator[str]:
    ticks, sizes_named = panel.ticks(), _powers(sizes)

    def x(rows: float) -> float:
        return round(LEFT + INSET + _share(rows, sizes_named, log10) * (WIDTH - LEFT - RIGHT - 2 * INSET), 1)

    def y(value: float) -> float:
        share = _share(value, ticks, log10 if panel.is_logarithmic else float)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    yield f'<text x="{LEFT}" y="{TOP - 20}" font-size="13" font-weight="600">{panel.title}</text>'
    for tick in ticks:
        yield f'<path d="M{LEFT} {y(tick)}H{WIDTH - RIGHT}" stroke="{FAINT}"/>'
        yield f'<text x="{LEFT - 6}" y="{y(tick) + 4}" text-anchor="end">{_short(tick)}</text>'
    for rows in sizes_named:
        yield f'<path d="M{x(rows)} {HEIGHT - BOTTOM}v4" stroke="{INK}"/>'
        yield f'<text x="{x(rows)}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{_short(rows)}</text>'
    yield f'<path d="M{LEFT} {HEIGHT - BOTTOM}H{WIDTH - RIGHT}" stroke="{INK}"/>'
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">rows</text>'
    if panel.expected:
        points = _points(zip(map(x, sizes), map(y, panel.expected), strict=True))
        yield f'<polyline points="{points}" fill="none" stroke="{INK}" stroke-dasharray="3 3"/>'
    points = _points(zip(map(x, sizes), map(y, panel.values), strict=True))
    yield f'<polyline points="{points}" fill="none" stroke="{LINE}" stroke-width="2"/>'
    for rows, value in zip(sizes, panel.values, strict=True):
        yield f'<circle cx="{x(rows)}" cy="{y(value)}" r="3.5" fill="{LINE}"/>'
        yield f'<text x="{x(rows)}" y="{y(value) - 8}" text-anchor="middle" {HALO}>{_short(value)}</text>'


def _powers(values: Sequence[float]) -> list[float]:
    """The powers of ten from the one below all values to the one above."""
    low = floor(log10(min(values)))
    return [10.0**power for power in range(low, max(ceil(log10(max(values))), low + 1) + 1)]


def _share(value: float, ticks: Sequence[float], scale: Callable[[float], float]) -> float:
    """How far along an axis a value is, from 0 to 1."""
    return (scale(value) - scale(ticks[0])) / (scale(ticks[-1]) - scale(ticks[0]))


def _points(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)


def _short(value: float) -> str:
    """`1.5`, `12`, `100k`, `1M`."""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if value >= size * 10 or (value and value % size == 0):
            return f"{value / size:,.0f}{letter}"
    return f"{value:,.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"


def print_loads(loads: Sequence[Load]) -> None:
    """One row for each size."""
    print_table(
        ["rows", "seconds", "rows/s", "requests", "least possible", "CPU seconds", "peak MB"],
        [
            [
                f"{load.rows:,}",
                f"{load.cost.seconds:.1f}",
                round(load.rows / load.cost.seconds),
                load.requests,
                load.least_requests,
                f"{load.cost.cpu_seconds:.1f}",
                round(load.cost.peak_mb),
            ]
            for load in loads
        ],
    )


def chart_of(loads: Sequence[Load]) -> str:
    """Seconds, requests and memory over the number of rows."""
    requests, least = [load.requests for load in loads], [load.least_requests for load in loads]
    panels = [
        Panel("Seconds", [load.cost.seconds for load in loads]),
        Panel("Requests (dashed: the least)", requests, least),
        Panel("Peak memory, MB", [load.cost.peak_mb for load in loads], is_logarithmic=False),
    ]
    return chart([load.rows for load in loads], panels)


def main() -> int:
    """Measures, prints and draws; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=lambda text: [int(size) for size in text.split(",")], default=list(SIZES))
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--chart", type=Path, default=CHART)
    options = parser.parse_args()
    loads = [first_load(rows, options.runs) for rows in options.sizes]
    print(f"{machine()}\n\nFirst load into DuckDB, medians of {options.runs}:\n")
    print_loads(loads)
    options.chart.write_text(chart_of(loads))
    return 1 if any(load.missing for load in loads) else 0


if __name__ == "__main__":
    sys.exit(main())
