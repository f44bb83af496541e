"""Pictures: the marks are SVG, sized in parts of the place they have, and all that is to be read is HTML beside them.

So nothing that is written shrinks or is stretched with a picture.
"""

from collections.abc import Iterator, Sequence
from math import ceil, floor
from typing import NamedTuple

from ..statistics import Counts
from .figures import Month
from .markup import Html, element, joined, void
from .words import month, signed

TICKS_MAX = 4
STEPS = (5, 10, 20, 25, 50, 100)
MARGIN = 0.05
"""On both sides of an axis, as a share of what it shows."""
LABELS_MAX = 4
INSET = 3.0
"""Of the trend's first and last month, in parts of a hundred."""


class Axis(NamedTuple):
    """A range of scores, with its ticks."""

    low: float
    high: float
    ticks: Sequence[int]

    def at(self, value: float) -> float:
        """The place of a score, 0 to 100."""
        return 100 * (value - self.low) / (self.high - self.low)


def axis(values: Sequence[float]) -> Axis:
    """One that holds all values, with few and round ticks."""
    lowest, highest = min(values, default=-100.0), max(values, default=100.0)
    margin = MARGIN * (highest - lowest) or 1
    low, high = lowest - margin, highest + margin
    for step in STEPS:
        ticks = range(ceil(low / step) * step, floor(high / step) * step + 1, step)
        if len(ticks) <= TICKS_MAX:
            break
    return Axis(low, high, ticks)


def scale(of: Axis) -> Html:
    """The numbers of an axis."""
    labels = [element("span", signed(tick), style=f"left:{of.at(tick):.4g}%") for tick in of.ticks]
    return element("div", *labels, class_="scale", aria_hidden="true")


def whisker(counts: Counts, of: Axis, reference: float | None, tone: str = "") -> Html:
    """An interval with its score, where they may be shown, beside the line of all answers."""
    marks = [_line(of.at(tick), of.at(tick), "grid") for tick in of.ticks]
    if reference is not None:
        marks.append(_line(of.at(reference), of.at(reference), "all"))
    if counts.has_interval:
        low, high = of.at(counts.low), of.at(counts.high)
        marks.append(void("line", class_="interval", x1=f"{low:.4g}%", x2=f"{high:.4g}%", y1="50%", y2="50%"))
    if counts.has_point:
        marks.append(void("circle", cx=f"{of.at(counts.nps):.4g}%", cy="50%", r="4.5"))
    return _svg(f"marks {tone}".strip(), *marks)


def _line(x1: float, x2: float, kind: str) -> Html:
    return void("line", class_=kind, x1=f"{x1:.4g}%", x2=f"{x2:.4g}%", y1="0", y2="100%")


def _svg(kind: str, *marks: Html, label: str = "") -> Html:
    # An SVG in HTML has no void elements: they are closed as in XML.
    inside = Html("".join(mark[:-1] + "/>" if not mark.endswith(("/>", "</svg>")) else mark for mark in marks))
    about: dict[str, str | bool] = {"role": "img", "aria_label": label} if label else {"aria_hidden": "true"}
    return element("svg", inside, class_=kind, **about)


def bar(share: float, kind: str) -> Html:
    """A share of the widest, 0 to 1."""
    return _svg("bar", void("rect", class_=kind, width=f"{100 * share:.4g}%", height="100%"))


def parts(shares: Sequence[tuple[str, float]]) -> Html:
    """Shares of a whole side by side."""
    marks, at = [], 0.0
    for kind, share in shares:
        marks.append(void("rect", class_=kind, x=f"{100 * at:.5g}%", width=f"{100 * share:.5g}%", height="100%"))
        at += share
    return _svg("parts", *marks)


def trend(months: Sequence[Month], period: str, label: str) -> Html:
    """Scores over time with the band of their intervals, and how many answers they are of."""
    shown = [value for each in months if each.counts.has_interval for value in _ends(each)]
    of = axis(shown)
    across = [INSET + (100 - 2 * INSET) * number / max(len(months) - 1, 1) for number in range(len(months))]
    y_labels = [element("span", signed(tick), style=f"bottom:{of.at(tick):.4g}%") for tick in of.ticks]
    return joined(
        element(
            "div",
            element("div", *y_labels, class_="y", aria_hidden="true"),
            _svg("plot", *_plot(months, across, of), label=label),
            _svg("volume", *_volume(months, across)),
            element("div", *_months(months, across, period), class_="x", aria_hidden="true"),
            class_="trend",
        )
    )


def _ends(each: Month) -> tuple[float, float]:
    return (each.counts.low if each.low is None else each.low, each.counts.high if each.high is None else each.high)


def _plot(months: Sequence[Month], across: Sequence[float], of: Axis) -> Iterator[Html]:
    for tick in of.ticks:
        height = f"{100 - of.at(tick):.4g}%"
        yield void("line", class_="zero" if tick == 0 else "grid", x1="0", x2="100%", y1=height, y2=height)
    yield _stretched(months, across, of)
    for each, at in zip(months, across, strict=True):
        if each.counts.has_interval:
            low, high = (f"{100 - of.at(end):.4g}%" for end in _ends(each))
            x = f"{at:.4g}%"
            yield void("line", class_="end", x1=x, x2=x, y1=low, y2=high)
            if each.counts.has_point:
                y = f"{100 - of.at(each.counts.nps):.4g}%"
                yield void("circle", class_="over" if each.is_over else "running", cx=x, cy=y, r="4.5")


def _stretched(months: Sequence[Month], across: Sequence[float], of: Axis) -> Html:
    """Band and line, which alone need points in parts of the place: circles would become ellipses in there."""
    marks = []
    for run in _runs([each.counts.has_interval for each in months]):
        ends = [(across[number], *_ends(months[number])) for number in run]
        upper = [f"{x:.4g},{100 - of.at(high):.4g}" for x, _, high in ends]
        lower = [f"{x:.4g},{100 - of.at(low):.4g}" for x, low, _ in reversed(ends)]
        marks.append(void("polygon", class_="band", points=" ".join([*upper, *lower])))
    for run in _runs([each.counts.has_point for each in months]):
        line = [f"{across[number]:.4g},{100 - of.at(months[number].counts.nps):.4g}" for number in run]
        marks.append(void("polyline", class_="score", points=" ".join(line)))
    inside = Html("".join(f"{mark[:-1]}/>" for mark in marks))
    return Html(f'<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">{inside}</svg>')


def _runs(fit: Sequence[bool]) -> Iterator[list[int]]:
    """The places that fit and follow each other: what lies between them is not drawn over."""
    run: list[int] = []
    for number, fits in enumerate([*fit, False]):
        if fits:
            run.append(number)
        elif run:
            yield run
            run = []


def _volume(months: Sequence[Month], across: Sequence[float]) -> Iterator[Html]:
    most = max((each.counts.responses for each in months), default=0) or 1
    width = min(60 / max(len(months), 1), 6)
    for each, at in zip(months, across, strict=True):
        height = 100 * each.counts.responses / most
        yield void(
            "rect",
            class_="over" if each.is_over else "running",
            x=f"{at - width / 2:.4g}%",
            y=f"{100 - height:.4g}%",
            width=f"{width:.4g}%",
            height=f"{height:.4g}%",
        )


def _months(months: Sequence[Month], across: Sequence[float], period: str) -> Iterator[Html]:
    """Some of the months below, the last one always."""
    step = max(-(-(len(months) - 1) // (LABELS_MAX - 1)), 1)
    for number in range(len(months) - 1, -1, -step):
        kind = "last" if number == len(months) - 1 else "inner"
        yield element("span", month(months[number].start, period), style=f"left:{across[number]:.4g}%", class_=kind)
