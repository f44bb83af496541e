"""Is what is loaded what Wootric has: its own figures, beside what is counted of the loaded responses.

Counts are compared, not scores: one month's counts tell sixteen rules apart where the rounded score tells none. Days
that have ended are compared, and only rows of which is known that they are loaded: what changed since is asked for.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal, NamedTuple

from ..errors import WootricError
from ..reading.days import EARLIEST
from ..tables import CURSOR
from .counting import Rule, different, rules
from .own_figures import OwnFigures
from .statistics import Counts
from .tallies import Span, Tally, Window
from .zones import COMMON, DAY, UTC, AccountZone, changes_clocks, local_day

Verdict = Literal["equal", "equal, counted differently", "differs", "cannot compare"]
EQUAL: Verdict = "equal"
OTHERWISE: Verdict = "equal, counted differently"
DIFFERS: Verdict = "differs"
CANNOT: Verdict = "cannot compare"

YEAR_DAYS, MONTHS_BACK = 365, 12
NEAR_SHARE = 0.2
"""A rule that leaves less than so much of the difference explains it, unless it is all."""

TELLING_MIN = 3
"""Of fewer responses by which two rules differ, it may be chance that the other one fits."""

log = logging.getLogger("wootric_pipeline.insight")


class Compared(NamedTuple):
    """What both say of a window."""

    window: Window
    wootric: Counts
    loaded: Counts

    @property
    def difference(self) -> Counts:
        """How many more Wootric has."""
        return self.wootric.less(self.loaded)


@dataclass(frozen=True)
class Comparison:
    """What came out.

    Attributes:
        verdict: See `Verdict`.
        reason: In sentences, what there is to say of it.
        windows: What was compared, as the rule counts it.
        rule: That fits, or leaves the least difference; None where nothing was compared.
        told: In words, in what it differs from that by which the account is said to count.
        zone: The account's; None where it was not looked for.
        difference: How many responses Wootric has more in the widest window that differs; fewer, if less than 0.
        where: The fewest days that are known to differ.
        is_missing: Whether rows, or their newest scores, are missing here.
    """

    verdict: Verdict
    reason: str = ""
    windows: Sequence[Compared] = ()
    rule: Rule | None = None
    told: str = ""
    zone: AccountZone | None = None
    difference: int = 0
    where: Window | None = None
    is_missing: bool = False


@dataclass(frozen=True)
class Loaded:
    """Which responses are known to be loaded; moments are UTC.

    Attributes:
        until: What was created before is.
        read_up_to: When a range of moments was last read, so that what had changed in it before is loaded; None where
            that is not known.
        is_ordered: Whether the list is known to be sorted by `updated_at`.
        start: From when on they are loaded; None is all history.
    """

    until: datetime
    read_up_to: Callable[[Span], datetime | None]
    is_ordered: bool = True
    start: datetime | None = None


def days_to_compare(loaded: Loaded, last_ended: date, zone: str) -> Window | None:
    """The days that have ended, and were loaded after they had; None if there are none.

    Args:
        loaded: Which rows are loaded.
        last_ended: The last day that has ended everywhere.
        zone: The account's.
    """
    last = min(last_ended, local_day(loaded.until, zone) - DAY, local_day(loaded.until, UTC) - DAY)
    first = EARLIEST
    if loaded.start is not None:
        first = max(EARLIEST, *(local_day(loaded.start, name) + DAY for name in (zone, UTC)))
    return Window(first, last) if first <= last else None


@dataclass
class Comparer:
    """Compares one account.

    Attributes:
        figures: Wootric's.
        tally: Of the loaded responses.
        loaded: Which are known to be loaded.
        zone: The account's.
        days: All that can be compared.
        base: The rule by which the account is said to count.
    """

    figures: OwnFigures
    tally: Tally
    loaded: Loaded
    zone: AccountZone
    days: Window
    base: Rule
    _answered: Window = field(init=False)
    _asked: list[Window] = field(default_factory=list)
    _changes_since: datetime | None = None
    _hides_changes: bool = False

    def __post_init__(self) -> None:
        """Looks for the days with the oldest and the newest response."""
        last = self.days.last
        self._answered = self.tally.days_within(self.days) or Window(last, last)

    def compare(self) -> Comparison:
        """Compares window after window, the wide ones last.

        Raises:
            WootricError: Wootric does not answer, or with something else.
        """
        fits: list[Rule] = []
        for windows in self._stages():
            if self._asked and self.figures.left < len(windows):
                break
            self._ask(windows)
            fits = [rule for rule in fits if self._fits(rule)] or self._rules()
            if not fits:
                break
        if not any(self.figures.of(window).responses for window in self._asked):
            return self._ending(CANNOT, "Wootric counts no responses in the days that can be compared.", self.base)
        return self._fitting(fits) if fits else self._differing()

    def _stages(self) -> list[list[Window]]:
        """What to ask for, one after the other: what tells rules apart, a year, and all that was before."""
        first, last = self.days
        month = _month_before(last + DAY)
        others = [month]
        for _ in range(MONTHS_BACK):
            others.append(_month_before(others[-1].first))
        zone = self.zone.name
        change = next((each for each in others[1:] if changes_clocks(each.first, each.last + DAY, zone)), others[1])
        day = self._answered.last
        year = Window(max(first, last - (YEAR_DAYS - 1) * DAY), last)
        stages = [[month, change, Window(day, day)], [year], [Window(first, year.first - DAY)]]
        known = [[each for each in stage if self._is_known(each)] for stage in stages]
        return [list(dict.fromkeys(stage)) for stage in known if stage]

    def _is_known(self, window: Window) -> bool:
        """Whether its rows can be compared."""
        if window.first < self.days.first or window.first > window.last or window.last > self.days.last:
            return False
        return self._read_up_to(window) is not None

    def _read_up_to(self, window: Window) -> datetime | None:
        spans = [self.tally.span(window, replace(self.base, zone=name)) for name in ("", UTC)]
        moments = [self.loaded.read_up_to(span) for span in spans]
        known = [each for each in moments if each is not None]
        return min(known) if len(known) == len(moments) else None

    def _ask(self, windows: Sequence[Window]) -> None:
        for window in windows:
            self.figures.of(window)
            self._asked.append(window)
        self.tally.read(self._asked, [self.base])

    def _fits(self, rule: Rule) -> bool:
        return all(self.figures.of(window) == self.tally.of(window, rule) for window in self._asked)

    def _rules(self) -> list[Rule]:
        """The rules that fit, and are the nearest to that by which the account is said to count."""
        if self._fits(self.base):
            return [self.base]
        self._count_changes()
        if self._fits(self.base):
            return [self.base]
        choices = list(rules(self.base, different(self.tally.surveys)))
        fits: list[Rule] = []
        for group in ([each for each in choices if not each.latest], [each for each in choices if each.latest]):
            fits = fits or self._that_fit(group)
        fits = fits or self._that_fit([replace(self.base, zone=name) for name in COMMON])[:1]
        changes = [each.changes(self.base) for each in fits]
        return [
            rule
            for rule, own in zip(fits, changes, strict=True)
            if not any(other < own for other in changes)
        ]  # fmt: skip

    def _that_fit(self, candidates: Sequence[Rule]) -> list[Rule]:
        left = list(candidates)
        for window in self._asked:
            if plain := [rule for rule in left if not rule.latest]:
                self.tally.read([window], plain)
            left = [rule for rule in left if self.figures.of(window) == self.tally.of(window, rule)]
        return left

    @property
    def _needed_since(self) -> datetime:
        """What has changed since then may not be loaded."""
        moments = [self._read_up_to(window) for window in self._asked]
        return min(moment for moment in moments if moment is not None)

    @property
    def _knows_changes(self) -> bool:
        return self._changes_since is not None and self._changes_since <= self._needed_since

    def _count_changes(self) -> None:
        """Counts what has changed since it was read as it is now, if that can be known."""
        if self._knows_changes or self._hides_changes or not self.figures.left:
            return
        since = self._needed_since
        try:
            rows = self.figures.changed_since(since, is_ordered=self.loaded.is_ordered)
        except WootricError as error:
            log.info("What has changed since it was loaded cannot be asked for: %s", error)
            rows = None
        self._hides_changes = rows is None
        if rows is not None:
            self._changes_since = since
            self.tally.replace(rows)

    def _fitting(self, fits: Sequence[Rule]) -> Comparison:
        if fits == [self.base]:
            return self._ending(EQUAL, "", self.base)
        if len(fits) == 1:
            return self._otherwise(fits[0])
        told = "; or ".join(rule.told(self.base) for rule in fits)
        reason = f"Wootric's figures fit more than one way to count, between which these days do not tell: {told}."
        return self._ending(CANNOT, reason, fits[0])

    def _otherwise(self, rule: Rule) -> Comparison:
        """As another rule counts, unless that is told by so few responses that they may as well be missing here."""
        compared = self._compared(self.base)
        told = max(each.difference.distance for each in compared)
        told = max(told, sum(each.difference.distance for each in _apart(compared)))
        if told >= TELLING_MIN:
            return self._ending(OTHERWISE, "", rule)
        reason = (
            f"Wootric's figures would be equal if {rule.told(self.base)}, but so few responses tell, {told}, that as "
            "many may be missing here; --verify full tells."
        )
        return self._ending(CANNOT, reason, rule)

    def _differing(self) -> Comparison:
        """No rule fits: where, by that which leaves the least difference, and whether something is missing here."""
        rule = self._nearest_rule()
        differing = [each for each in self._compared(rule) if each.difference.distance]
        widest = max(differing, key=lambda each: each.window.days)
        where = self._narrowed(min(differing, key=lambda each: each.window.days), rule)
        found = replace(
            self._ending(DIFFERS, "", rule),
            difference=widest.difference.responses,
            where=where.window,
            # Fewer there were deleted; as many with other scores are older versions here.
            is_missing=any(each.difference.responses > 0 for each in (*differing, where))
            or all(each.difference.responses == 0 for each in differing),
        )
        if self.zone.known_by == "assumed":
            reason = f"The account's time zone is only assumed to be {self.zone.name}; set time_zone."
        elif not self._knows_changes and not self._is_proven(where, rule):
            reason = (
                "These responses may have changed since they were last read; --full-refresh --tables responses "
                "reads them again."
            )
        else:
            return found
        return replace(found, verdict=CANNOT, reason=reason, is_missing=False)

    def _nearest_rule(self) -> Rule:
        """That of the account, unless another leaves hardly any difference."""
        choices = [each for each in rules(self.base, different(self.tally.surveys)) if not each.latest]
        self.tally.read(self._asked, choices)
        distances = {rule: sum(each.difference.distance for each in self._compared(rule)) for rule in choices}
        own = sum(each.difference.distance for each in self._compared(self.base))
        nearest = min(distances, key=lambda rule: distances[rule])
        return nearest if distances[nearest] < NEAR_SHARE * own else self.base

    def _narrowed(self, found: Compared, rule: Rule) -> Compared:
        """The half that differs of the half that differs, and so on, as long as there are requests."""
        keeps, is_last_out = 0 if self._knows_changes else 1, rule.last_day_out
        if rule.last_day_out and found.window.days > 1:
            found = found._replace(window=Window(found.window.first, found.window.last - DAY))
            rule = replace(rule, last_day_out=False)
        while found.window.days > 1 and self.figures.left > keeps:
            early, late = found.window.halves(self._answered.first)
            wootric = self.figures.of(early, last_day_out=is_last_out)
            first = Compared(early, wootric, self.tally.of(early, rule))
            if first.difference.distance:
                found = first
            else:
                found = Compared(late, found.wootric.less(first.wootric), self.tally.of(late, rule))
        return found

    def _is_proven(self, found: Compared, rule: Rule) -> bool:
        """Whether days differ also where what has changed since it was read is counted as the list shows it now."""
        since = self._read_up_to(found.window)
        if since is None:
            return False
        try:
            rows = self.figures.listed(self.tally.span(found.window, replace(rule, last_day_out=False)))
        except WootricError as error:
            log.info("The responses of a day cannot be asked for: %s", error)
            rows = None
        if rows is None:
            return False
        self.tally.replace(row for row in rows if row[CURSOR] >= since)
        return self.tally.of(found.window, replace(rule, last_day_out=False)) != found.wootric

    def _compared(self, rule: Rule) -> list[Compared]:
        return [Compared(each, self.figures.of(each), self.tally.of(each, rule)) for each in self._asked]

    def _ending(self, verdict: Verdict, reason: str, rule: Rule) -> Comparison:
        return Comparison(verdict, reason, self._compared(rule), rule, rule.told(self.base), self.zone)


def _apart(compared: Sequence[Compared]) -> list[Compared]:
    """The shortest windows that have no day in common: a response counts once in them."""
    found: list[Compared] = []
    for each in sorted(compared, key=lambda each: each.window.days):
        if not any(each.window.meets(other.window) for other in found):
            found.append(each)
    return found


def _month_before(day: date) -> Window:
    """The last whole month that ends before a day."""
    end = day.replace(day=1)
    return Window((end - DAY).replace(day=1), end - DAY)
