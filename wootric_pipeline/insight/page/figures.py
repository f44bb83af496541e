"""What the page says, as data: read by `reading.py`, written by `sections.py`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from ..statistics import Counts
from ..zones import AccountZone

DAY = timedelta(days=1)
CATEGORIES = ("promoter", "passive", "detractor")


@dataclass(frozen=True)
class Wanted:
    """What the page is to show.

    Attributes:
        since: The first day, of the account's zone; None is 90 days before `until`.
        until: The day after the last one; None is behind the last day that is loaded as a whole.
        survey: The only one that is shown, if any.
        segments: Properties of people by which answers are parted; none leaves the choice to the page.
        comments: How many of the latest are shown.
    """

    since: date | None = None
    until: date | None = None
    survey: int | None = None
    segments: Sequence[str] = ()
    comments: int = 0


@dataclass(frozen=True)
class Verdict:
    """Of the last comparison with Wootric's own figures.

    Attributes:
        verdict: `equal`, `equal, counted differently`, `differs` or `cannot compare`.
        compared_at: When; UTC.
        remark: More of it in words, if there is more to say.
    """

    verdict: str
    compared_at: datetime
    remark: str = ""


@dataclass(frozen=True)
class Known:
    """What is known besides the marts.

    Attributes:
        zone: Whose days are counted.
        complete_up_to: When the last run began that loaded all responses, UTC; None where no run is noted.
        verdict: None where no comparison was made.
        is_demo: Whether the rows are invented.
        newest_change: Of responses that are loaded, UTC; None where the state has no cursor.
        first_day: From which on all responses and declines are loaded; None is all history. Of days before it, those
            may be loaded that were updated later.
    """

    zone: AccountZone
    complete_up_to: datetime | None = None
    verdict: Verdict | None = None
    is_demo: bool = False
    newest_change: datetime | None = None
    first_day: date | None = None

    def has_all(self, window: "Window") -> bool:
        """Whether no day of a window is before the first that is loaded."""
        return self.first_day is None or window.since >= self.first_day

    @property
    def loaded_up_to(self) -> datetime | None:
        """Up to when all responses are loaded: plain dlt notes no runs, but its cursor passes no change."""
        return self.complete_up_to or self.newest_change


@dataclass(frozen=True)
class Window:
    """A stretch of days of the account's zone, closed-open."""

    since: date
    until: date

    @property
    def last(self) -> date:
        """Its last day."""
        return self.until - DAY

    @property
    def days(self) -> int:
        """How many."""
        return (self.until - self.since).days

    @property
    def before(self) -> "Window":
        """As many days before it."""
        return Window(self.since - self.days * DAY, self.since)


@dataclass(frozen=True)
class Tally:
    """What a window holds.

    Attributes:
        counts: The answers to NPS surveys that are counted.
        declines: How often such a survey was declined.
        comments: How many of the answers have a comment.
        detractors_with_comment: How many detractors have.
    """

    counts: Counts = field(default_factory=Counts)
    declines: int = 0
    comments: int = 0
    detractors_with_comment: int = 0

    @property
    def asked(self) -> int:
        """How many answered or declined."""
        return self.counts.responses + self.declines


@dataclass(frozen=True)
class Month:
    """A month, or a quarter, of the trend; the interval is the mart's.

    Attributes:
        start: Its first day.
        counts: Of its answers.
        low, high: The ends of the 95 % interval; None without an answer.
        is_over: Whether all its days are loaded.
    """

    start: date
    counts: Counts
    low: float | None
    high: float | None
    is_over: bool


@dataclass(frozen=True)
class Group:
    """Some of the answers.

    Attributes:
        name: What they have in common.
        counts: Of them.
        z: Against all others, in standard errors; None where either are too few.
        differs: Whether that is more than chance, though several groups were looked at.
    """

    name: str
    counts: Counts
    z: float | None = None
    differs: bool = False


@dataclass(frozen=True)
class Dimension:
    """The answers parted by one thing.

    Attributes:
        name: By what.
        groups: The largest first.
        others: How many more groups there are.
    """

    name: str
    groups: Sequence[Group]
    others: int = 0


@dataclass(frozen=True)
class Survey:
    """A survey and its answers.

    Attributes:
        survey_id: None of answers that name none.
        metric: None where that is undecided.
        score_max: The best score; None where the metric is undecided.
        known_by: How the metric is known.
        fits: Whether all its scores are on that scale.
        responses: How many answers the window has, if they are of its metric, or undecided.
        counts: Of an NPS survey.
        good: How many of the answers to another are satisfied, or easy.
    """

    survey_id: int | None
    metric: str | None
    score_max: int | None
    known_by: str
    fits: bool
    responses: int = 0
    counts: Counts = field(default_factory=Counts)
    good: int = 0


@dataclass(frozen=True)
class LeftOut:
    """Responses of the window that are not in its NPS, by the first reason that holds; and some that are.

    Attributes:
        undecided: Their survey's metric is not known.
        other_metric: Their survey is CSAT or CES.
        no_score: They have none on the scale.
        excluded: They are excluded from calculations.
        incomplete: They are not complete.
        counted_incomplete: Those that are counted though they are not complete.
        responses: All, with those that are counted.
    """

    undecided: int = 0
    other_metric: int = 0
    no_score: int = 0
    excluded: int = 0
    incomplete: int = 0
    counted_incomplete: int = 0
    responses: int = 0


@dataclass(frozen=True)
class Comment:
    """What somebody wrote; `text` is as it was given."""

    local_date: date
    survey_id: int | None
    score: int
    category: str
    text: str


@dataclass(frozen=True)
class Figures:
    """All that the page says.

    Attributes:
        wanted: What it was asked for.
        known: What is known besides the marts.
        window: Whose answers.
        latest: The day of the latest answer that is counted, of any window; None without one.
        now: The window.
        before: As many days before it; None where not all of them are loaded.
        period: Of the trend: `month` or `quarter`.
        months: The trend.
        scores: How often each of 0 to 10 was given.
        dimensions: By surveys and properties.
        tags: By tags, which an answer may have several of; None where no tags are loaded.
        movers: People who answered before the window and in it, by both categories.
        people: Each person's latest answer of the window.
        surveys: All that were asked, or the one that was asked for.
        left_out: What is not counted.
        comments: The latest, if they were asked for.
        comments_missing: Why there are none though they were asked for, as a sentence.
    """

    wanted: Wanted
    known: Known
    window: Window
    latest: date | None
    now: Tally
    before: Tally | None
    period: str
    months: Sequence[Month]
    scores: Sequence[int]
    dimensions: Sequence[Dimension]
    tags: Dimension | None
    movers: Mapping[tuple[str, str], int]
    people: Counts
    surveys: Sequence[Survey]
    left_out: LeftOut
    comments: Sequence[Comment] = field(default_factory=list)
    comments_missing: str = ""
