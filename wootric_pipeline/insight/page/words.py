"""Numbers, days and findings as people read them."""

from datetime import date, datetime
from math import ceil, floor, log10
from zoneinfo import ZoneInfo

from ..statistics import INTERVAL_MIN, POINT_MIN, Z_95, Counts, p_value
from .figures import Figures, Known, Window

ONCE_MAX = 1_000_000
NO_BREAK = "\u00a0"

KNOWN_BY = {"setting": "by the setting time_zone", "offsets": "as the account’s times are shown"}
VERDICTS = {
    "equal": "the same",
    "equal, counted differently": "the same, counted differently",
    "differs": "differ",
    "cannot compare": "could not be compared",
}


def points(value: float) -> int:
    """A score as a whole number, halves away from zero, as Wootric rounds."""
    return floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


def signed(value: float) -> str:
    """A score, or a difference of scores.

    >>> signed(54.67), signed(-0.4), signed(-12.5)
    ('+55', '0', '−13')
    """
    whole = points(value)
    return f"+{whole}" if whole > 0 else f"−{-whole}" if whole else "0"


def between(low: float, high: float) -> str:
    """An interval, rounded outwards: it is never shown narrower than it is.

    >>> between(18.2, 88.4)
    '+18 to +89'
    """
    return f"{signed(floor(low))} to {signed(ceil(high))}"


def interval(counts: Counts) -> str:
    """That of answers, if they are enough for one."""
    return between(counts.low, counts.high) if counts.has_interval else "too few"


def score(counts: Counts) -> str:
    """The NPS of answers, if they are enough for one."""
    return signed(counts.nps) if counts.has_point else "–"


def percent(part: float, whole: float = 1) -> str:
    """A share."""
    return f"{points(100 * part / whole) if whole else 0}%"


def percents(low: float, high: float) -> str:
    """An interval of shares, likewise."""
    return f"{floor(100 * low)}% to {ceil(100 * high)}%"


def counted(number: int, noun: str) -> str:
    """A number of things."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def day(at: date) -> str:
    """A day."""
    return f"{at.day} {at:%b} {at.year:04}".replace(" ", NO_BREAK)


def month(at: date, period: str = "month") -> str:
    """A month, or a quarter, by its first day."""
    return f"{at:%b}{NO_BREAK}{at.year:04}" if period == "month" else f"Q{at.month // 3 + 1}{NO_BREAK}{at.year:04}"


def span(window: Window) -> str:
    """The days of a window."""
    return day(window.since) if window.days == 1 else f"{day(window.since)} to {day(window.last)}"


def days(number: int) -> str:
    """A length, as in `90 days`."""
    return counted(number, "day")


def moment(at: datetime, zone: str) -> str:
    """A time of the account's clocks."""
    local = at.astimezone(ZoneInfo(zone))
    return f"{day(local.date())}, {local:%H:%M}"


def zone(known: Known) -> str:
    """Whose days are counted, and how that is known."""
    known_by = KNOWN_BY.get(known.zone.known_by, "which is assumed: set time_zone to the account’s")
    return f"{known.zone.name}, {known_by}"


def freshness(known: Known) -> str:
    """Up to when all responses are there."""
    if known.loaded_up_to is None:
        return "not known, since no complete run is noted"
    told = f"{moment(known.loaded_up_to, known.zone.name)} ({known.zone.name})"
    return told if known.complete_up_to else f"{told}, the newest change: no complete run is noted"


def loaded_from(known: Known) -> str:
    """From which day on all answers are there; nothing where that is all history."""
    return f"{day(known.first_day)}; earlier answers are not all there" if known.first_day else ""


def lacking(known: Known, window: Window, name: str) -> str:
    """That not all answers of a window are there; nothing where they are."""
    if known.first_day is None or known.has_all(window):
        return ""
    return f"Not all answers of {name} are loaded; they are from {day(known.first_day)} on."


def verdict(known: Known) -> str:
    """Whether the figures are Wootric's own, if anybody has looked."""
    found = known.verdict
    if found is None:
        return "not compared yet: --verify does that"
    told = VERDICTS.get(found.verdict, found.verdict)
    at = day(found.compared_at.astimezone(ZoneInfo(known.zone.name)).date())
    return f"{told}{f': {found.remark}' if found.remark else ''} (on {at})"


def moved(figures: Figures) -> tuple[str, str]:
    """Whether the score moved, as `change` tells it, or why it is not compared."""
    length = days(figures.window.days)
    if figures.before is None:
        return "Not compared", lacking(figures.known, figures.window.before, f"the {length} before")
    return change(figures.now.counts, figures.before.counts, length)


def change(now: Counts, before: Counts, length: str) -> tuple[str, str]:
    """Whether the score moved and whether that is chance, in a few words; and by how much.

    Args:
        now: The answers.
        before: Those that they are compared with.
        length: Of either window, in words.
    """
    if not now.has_interval or not before.has_interval:
        few = counted(min(before.responses, now.responses), "response")
        earlier = f"The {length} before {'has' if length == days(1) else 'have'}"
        which = "The window has" if now.responses < before.responses else earlier
        return "Cannot tell whether it moved", f"{which} only {few}."
    z = now.z_against(before)
    exact = now.has_point and before.has_point
    by = f"{signed(now.nps - before.nps)} on the {length} before" if exact else ""
    smallest = points(now.smallest_change(before))
    if abs(z) < Z_95:
        chance = f"up to {counted(smallest, 'point')} either way can be chance."
        return "No move beyond chance", f"{by}: {chance}" if by else chance.capitalize()
    return f"{'Up' if z > 0 else 'Down'}, more than chance", f"{by}{': ' if by else ''}{once(p_value(z))}."


def once(p: float) -> str:
    """How rarely chance alone gives as much.

    >>> once(0.0124)
    'chance alone gives as much once in 81 times'
    """
    if p * ONCE_MAX < 1:
        return "chance alone gives as much less than once in a million times"
    times = 1 / p
    step = 10 ** max(floor(log10(times)) - 1, 0)
    return f"chance alone gives as much once in {floor(times / step + 0.5) * step:,} times"


def too_few(counts: Counts) -> str:
    """What is not shown of few answers, and why; nothing of enough."""
    if not counts.has_interval:
        return f"Fewer than {INTERVAL_MIN} responses have no score: only counts are shown."
    if not counts.has_point:
        return f"Fewer than {POINT_MIN} responses have an interval, and no score."
    return ""
