"""Counts the requests of hourly runs for a list that ignores `updated`, without HTTP and with a clock of its own.

An account gets as many responses every day, and is read by the loader itself: once from the beginning, and then every
hour. Beside it stand the ways that others went: all history in each run, its last four months, its last three days.
With `--grow` the account begins empty, and every hour of its years is one run; `--plot FILE` draws that.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice
from math import log10
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.processes import arguments, machine, print_table
from wootric_pipeline.reading.history import Pace
from wootric_pipeline.reading.listing import PAGE_ROWS, Listing, Page
from wootric_pipeline.reading.pool import Pool
from wootric_pipeline.reading.scan import Clocks, Scan
from wootric_pipeline.reading.span import Span
from wootric_pipeline.tables import RESPONSES

SECONDS_PER_DAY, SECONDS_PER_HOUR = 86_400, 3_600
BEGINS_AT = 1_600_000_000
LOOKBACK_SECONDS = 300
STEADY_DAYS = 90
REQUESTS_PER_MINUTE = 100
OTHERS = {"all history in each run": None, "its last four months": 120, "its last three days": 3}
"""And up to which age, in days, changes are then seen."""
COLORS = ("#0b6e4f", "#b3261e", "#a06a00", "#3d5a98")


@dataclass
class SteadyList:
    """A list of responses that come at equal distances, the first at `BEGINS_AT`, and never change.

    Attributes:
        rows_a_day: How many.
        now: UNIX seconds.
        requests: How often it was asked.
    """

    rows_a_day: int
    now: float = BEGINS_AT
    requests: int = 0

    def fetch(self, params: Mapping[str, Any]) -> Page:
        """One page, as a list answers that knows no `updated` filter and sorts by creation."""
        self.requests += 1
        first = self._number(params.get("created[gte]", BEGINS_AT))
        last = self._number(min(params.get("created[lt]", self.now), self.now))
        skipped = (params.get("page", 1) - 1) * params["per_page"]
        numbers = range(first, last) if params["sort_order"] == "asc" else range(last - 1, first - 1, -1)
        return [self.row(number) for number in islice(numbers, skipped, skipped + params["per_page"])]

    def _number(self, second: float) -> int:
        """Of the first row that is created in a second or later."""
        return max(-int((BEGINS_AT - second) * self.rows_a_day // SECONDS_PER_DAY), 0)

    def row(self, number: int) -> dict[str, Any]:
        """The row of a number, which is its id."""
        created = datetime.fromtimestamp(BEGINS_AT, timezone.utc) + timedelta(days=number / self.rows_a_day)
        return {"id": number, "created_at": created, "updated_at": created}


class Loader:
    """Reads a list again and again, as a command would.

    Args:
        served: The list.
        pace: How stale rows may be.
    """

    def __init__(self, served: SteadyList, pace: Pace) -> None:
        self._served = served
        self._span = Span(pace=pace, lookback_seconds=LOOKBACK_SECONDS)
        self.intervals_max, self.state_bytes_max = 0, 0

    def run(self) -> int:
        """One run; how many requests it took."""
        before, now = self._served.requests, self._served.now
        scan = Scan(Listing(RESPONSES, self._served.fetch), Pool(1, 240), lambda: Clocks(now, now))
        progress = None
        for batch in scan.read(self._span):
            if batch is not None:
                progress = batch.progress
                self.take(batch.rows)
        if progress is not None:
            history = progress.history
            self._span = self._span.behind(None, history)
            self.intervals_max = max(self.intervals_max, len(history.intervals))
            self.state_bytes_max = max(self.state_bytes_max, len(json.dumps(history.as_state(), separators=(",", ":"))))
        return self._served.requests - before

    def take(self, rows: Page) -> None:
        """What is done with rows that are new or have changed."""


def hourly(loader: Loader, served: SteadyList, hours: int) -> list[int]:
    """The requests of each run."""
    requests = []
    for _ in range(hours):
        served.now += SECONDS_PER_HOUR
        requests.append(loader.run())
    return requests


def requests_a_day(rows: int) -> int:
    """Of hourly runs that each read so many rows."""
    return 24 * (-(-rows // (PAGE_ROWS - 1)) + 1)


def plot(requests: Sequence[int], rows_a_day: int) -> str:
    """An SVG: the requests of each day while an account grows, this way and others, on a scale of powers of ten."""
    days = len(requests) // 24
    curves = {"this": [sum(requests[24 * day : 24 * day + 24]) for day in range(days)]}
    for name, age_days in OTHERS.items():
        curves[name] = [requests_a_day(rows_a_day * min(day, age_days or day)) for day in range(days)]
    drawn = []
    for (name, counts), color in zip(curves.items(), COLORS, strict=True):
        weekly = [mean(counts[day : day + 7]) for day in range(0, days, 7)]
        places = [(60 + 520 * 7 * week / days, _height(count)) for week, count in enumerate(weekly)]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        drawn.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2"/>')
        drawn.append(f'<text x="588" y="{places[-1][1] + 4:.1f}" fill="{color}">{name}</text>')
    for power in range(2, 6):
        y = _height(10**power)
        drawn.append(f'<line x1="60" x2="580" y1="{y:.1f}" y2="{y:.1f}" stroke="#8884"/>')
        drawn.append(f'<text x="52" y="{y + 4:.1f}" text-anchor="end" fill="#777">{10**power:,}</text>')
    for year in range(days // 365 + 1):
        x = 60 + 520 * 365 * year / days
        drawn.append(f'<text x="{x:.1f}" y="320" text-anchor="middle" fill="#777">{year} years</text>')
    title = f"Requests a day of hourly runs, {rows_a_day:,} responses a day, over {days / 365:.0f} years"
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 330" font-family="sans-serif" font-size="12">\n'
        '<rect width="760" height="330" fill="#fff"/>\n'
        f'<text x="60" y="22" fill="#333" font-size="14">{title}</text>\n' + "\n".join(drawn) + "\n</svg>\n"
    )


def _height(count: float) -> float:
    return 300 - 70 * (log10(max(count, 100)) - 2)


def main() -> None:
    """Simulates and prints."""
    parser = arguments(__doc__, runs=1)
    parser.add_argument("--rows-a-day", type=int, default=500)
    parser.add_argument("--years", type=float, default=4)
    parser.add_argument("--staleness", type=float, default=0.1)
    parser.add_argument("--grow", action="store_true", help="begin with an empty account, and run in each hour of it")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="an SVG of the requests of each day")
    options = parser.parse_args()
    served = SteadyList(options.rows_a_day)
    loader, days = Loader(served, Pace(options.staleness)), int(options.years * 365)
    first = 0
    if not options.grow:
        served.now += days * SECONDS_PER_DAY
        first = loader.run()
    requests = hourly(loader, served, (days if options.grow else STEADY_DAYS) * 24)
    rows = served.rows_a_day * days
    if options.plot:
        options.plot.write_text(plot(requests, served.rows_a_day))
    last = requests[-30 * 24 :]
    lines: list[list[object]] = [
        ["this", f"{mean(last) * 24:,.0f}", f"{max(last) / mean(last):.1f}", "a tenth of a row's age, 30 days at most"]
    ]
    for name, age_days in OTHERS.items():
        count = rows if age_days is None else min(served.rows_a_day * age_days, rows)
        seen = "all, in an hour" if age_days is None else f"of rows of the last {age_days} days; others never"
        lines.append([name, f"{requests_a_day(count):,}", "1.0", seen])
    print(f"{machine()}\n\n{rows:,} responses, {served.rows_a_day:,} a day, one run an hour:\n")
    print_table(["way", "requests a day", "worst hour by mean", "changes are seen"], lines)
    print(f"\nFirst load: {first:,} requests. Of all hours the worst took {max(requests):,}", end="")
    minutes = max(requests) / REQUESTS_PER_MINUTE
    print(
        f" ({max(requests) / mean(last):.1f} times the mean; {minutes:.1f} minutes at {REQUESTS_PER_MINUTE} a minute)."
    )
    kilobytes = loader.state_bytes_max / 1_000
    print(f"At most {loader.intervals_max:,} intervals are kept, in a state of {kilobytes:.0f} KB.")


if __name__ == "__main__":
    main()
