"""The report page without an account: statistics, groups, pictures, words, and what is escaped."""

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.marts import interval as expected_interval
from tests.pages import Page
from wootric_pipeline.errors import ConfigurationError
from wootric_pipeline.insight.page import charts, words
from wootric_pipeline.insight.page.document import document
from wootric_pipeline.insight.page.figures import (
    Dimension,
    Figures,
    Group,
    Known,
    LeftOut,
    Month,
    Tally,
    Verdict,
    Wanted,
    Window,
)
from wootric_pipeline.insight.page.groups import compared, in_ranges
from wootric_pipeline.insight.page.markup import Html, element, harmless, isolated
from wootric_pipeline.insight.page.reading import window_of
from wootric_pipeline.insight.statistics import Counts, holm, p_value, share
from wootric_pipeline.insight.zones import AccountZone, first_whole_day

UTC = AccountZone("UTC", "setting")
counts = st.builds(Counts, *[st.integers(0, 5_000)] * 3)


def test_the_interval_is_that_of_the_worked_examples() -> None:
    many, few = Counts(46, 24, 5), Counts(9, 2, 1)
    assert (round(many.nps, 2), round(many.low, 1), round(many.high, 1)) == (54.67, 38.6, 66.5)
    assert words.interval(few) == "+18 to +89"
    assert round(many.z_against(Counts(30, 28, 12)), 2) == 2.5
    assert round(100 * p_value(2.4983), 2) == 1.25


@given(counts)
def test_the_interval_holds_the_score_and_is_that_of_the_marts(found: Counts) -> None:
    middle, error = expected_interval(found.promoters, found.detractors, found.responses)
    assert found.low == pytest.approx(max(100 * (middle - 1.96 * error), -100))
    assert found.high == pytest.approx(min(100 * (middle + 1.96 * error), 100))
    # That of a single answer, which is never shown, ends before +-100.
    assert found.responses == 1 or found.low <= found.nps <= found.high


@given(counts, counts)
def test_a_difference_has_a_direction_and_no_order(one: Counts, other: Counts) -> None:
    assert one.z_against(other) == pytest.approx(-other.z_against(one))
    assert one.smallest_change(other) == pytest.approx(other.smallest_change(one))
    assert one.plus(other).less(other) == one


@pytest.mark.parametrize("responses", [10, 30, 300])
def test_the_interval_holds_the_true_score_as_often_as_it_says(responses: int) -> None:
    chance, held, rounds = random.Random(responses), 0, 4_000
    for _ in range(rounds):
        kinds = chance.choices(range(3), (48.5, 32.5, 19), k=responses)
        found = Counts(*(kinds.count(kind) for kind in range(3)))
        held += found.low <= 29.5 <= found.high
    # The error of such a count of rounds is a third of a point.
    assert held / rounds == pytest.approx(0.955, abs=0.015)


def test_a_share_has_an_interval_within_its_range() -> None:
    assert [round(each, 3) for each in share(30, 40)] == [0.75, 0.596, 0.859]
    assert share(0, 1).low == 0
    assert share(5, 5).high == 1


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_is_stricter_than_one_test_and_laxer_than_bonferroni(p_values: Sequence[float]) -> None:
    found = holm(p_values)
    for p, differs in zip(p_values, found, strict=True):
        assert not differs or p <= 0.05
        assert differs or p > 0.05 / len(p_values)
    smallest_first = [differs for _, differs in sorted(zip(p_values, found, strict=True), key=lambda each: each[0])]
    assert smallest_first == sorted(smallest_first, reverse=True)


def test_holm_stops_at_the_first_that_may_be_chance() -> None:
    assert holm([0.03, 0.001, 0.03]) == [False, True, False]
    assert holm([0.025, 0.04]) == [True, True]
    assert holm([]) == []


def test_groups_are_compared_with_the_rest() -> None:
    groups = {
        "low": Counts(20, 20, 60),
        "high": Counts(60, 20, 20),
        "few": Counts(9, 0, 0),
        "middle": Counts(40, 20, 40),
    }
    total = Counts(129, 60, 120)
    found = compared("plan", groups, total)
    assert [(each.name, each.counts, each.differs) for each in found.groups] == [
        ("high", groups["high"], True),
        ("middle", groups["middle"], False),
        ("low", groups["low"], True),
        ("few", groups["few"], False),
    ]
    assert [each.z is None for each in found.groups] == [False, False, False, True]
    assert found.groups[0].z == groups["high"].z_against(Counts(69, 40, 100))


def test_answers_in_no_group_are_one_and_the_last() -> None:
    found = compared("plan", {"a": Counts(5, 5, 5)}, Counts(50, 6, 5), has_rest=True)
    assert [(each.name, each.counts) for each in found.groups] == [
        ("a", Counts(5, 5, 5)),
        ("not known", Counts(45, 1, 0)),
    ]


def test_two_halves_are_compared_once() -> None:
    # Two tests would each have to be beyond 2.24 standard errors for the first to differ.
    halves = {"a": Counts(45, 30, 25), "b": Counts(31, 32, 37)}
    found = compared("plan", halves, Counts(76, 62, 62))
    assert found.groups[0].z == pytest.approx(2.2, abs=0.06)
    assert [each.differs for each in found.groups] == [True, True]


def test_of_many_groups_the_largest_are_shown() -> None:
    groups = {str(number): Counts(number, number, number) for number in range(1, 21)}
    found = compared("Tag", groups, Counts(210, 210, 210))
    assert (sorted(int(each.name) for each in found.groups), found.others) == (list(range(9, 21)), 8)


@given(st.dictionaries(st.integers(-1_000, 1_000), counts, max_size=60))
def test_ranges_hold_all_answers_in_order(numbers: dict[int, Counts]) -> None:
    found = in_ranges({float(number): each for number, each in numbers.items()})
    assert sum(each.responses for each in found.values()) == sum(each.responses for each in numbers.values())
    assert len(found) <= 12


def test_many_numbers_are_four_ranges() -> None:
    found = in_ranges({float(number): Counts(1) for number in range(1, 101)})
    assert {name: each.responses for name, each in found.items()} == {
        "1 to 25": 25, "26 to 50": 25, "51 to 75": 25, "76 to 100": 25}  # fmt: skip


@given(st.lists(st.floats(-100, 100), max_size=6))
def test_an_axis_holds_all_values_and_few_ticks(values: list[float]) -> None:
    of = charts.axis(values)
    assert all(0 <= of.at(value) <= 100 for value in values)
    assert 1 <= len(of.ticks) <= 4 or max(values) - min(values) < 4
    assert all(0 <= of.at(tick) <= 100 for tick in of.ticks)


class Heard(HTMLParser):
    """What a browser makes of markup."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text())
def test_no_text_is_markup(text: str) -> None:
    heard = Heard(element("p", text.replace("\r", ""), title=text.replace("\r", "")))
    assert (heard.tags, heard.attributes) == (["p"], [("title", text.replace("\r", ""))])
    heard = Heard(isolated(text))
    assert (heard.tags, heard.text) == (["bdi"], harmless(text, 60))


@given(st.text(alphabet=st.characters()), st.integers(1, 50))
def test_what_an_account_holds_is_one_harmless_line(text: str, length_max: int) -> None:
    found = harmless(text, length_max)
    assert len(found) <= length_max
    assert not set(found) & set(
        "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\r\n\t\x00\x1b\u2028"
    )
    found.encode()


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_no_zero_has_a_sign(low: float, high: float) -> None:
    assert not re.search(r"[-+−]0(?!\.?\d)", f"{words.signed(low)} {words.between(low, high)} {words.percent(low)}")


def test_what_joins_letters_and_emoji_stays() -> None:
    joined = "a\u200cb \U0001f469\u200d\U0001f467"
    assert harmless(joined, 60) == joined


NOW, BEFORE = Counts(46, 24, 5), Counts(30, 28, 12)


@pytest.mark.parametrize(
    ("now", "before", "told"),
    [
        (NOW, BEFORE, ("Up, more than chance",
         "+29 on the 90 days before: chance alone gives as much once in 82 times.")),
        (BEFORE, NOW, ("Down, more than chance",
         "−29 on the 90 days before: chance alone gives as much once in 82 times.")),
        (NOW, Counts(44, 24, 7), ("No move beyond chance",
         "+5 on the 90 days before: up to 20 points either way can be chance.")),
        (NOW, Counts(5, 3, 1), ("Cannot tell whether it moved", "The 90 days before have only 9 responses.")),
        (Counts(1), NOW, ("Cannot tell whether it moved", "The window has only 1 response.")),
        (Counts(10, 5, 5), NOW, ("No move beyond chance", "Up to 36 points either way can be chance.")),
        (Counts(9_000, 0, 0), Counts(0, 0, 9_000), ("Up, more than chance",
         "+200 on the 90 days before: chance alone gives as much less than once in a million times.")),
    ],
)  # fmt: skip
def test_a_change_is_told_in_words(now: Counts, before: Counts, told: tuple[str, str]) -> None:
    assert words.change(now, before, "90 days") == told


AT = datetime(2024, 3, 10, 7, 30, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (None, "not compared yet: --verify does that"),
        (Verdict("equal", AT), "the same (on 9 Mar 2024)"),
        (
            Verdict("equal, counted differently", AT, "there, incomplete responses count, too"),
            "the same, counted differently: there, incomplete responses count, too (on 9 Mar 2024)",
        ),
        (Verdict("differs", AT, "3 more there"), "differ: 3 more there (on 9 Mar 2024)"),
        (Verdict("cannot compare", AT), "could not be compared (on 9 Mar 2024)"),
    ],
)
def test_the_verdict_is_told_with_its_day(verdict: Verdict | None, told: str) -> None:
    known = Known(AccountZone("America/Los_Angeles", "setting"), AT, verdict)
    assert words.verdict(known).replace("\u00a0", " ") == told
    assert told in Page(document(replace(FIGURES, known=known))).sections["NPS, 1 Jan 2024 to 30 Mar 2024"]


def test_the_window_ends_with_the_last_whole_day() -> None:
    known = Known(AccountZone("America/Los_Angeles", "setting"), AT)
    assert window_of(Wanted(), known, None) == Window(date(2023, 12, 10), date(2024, 3, 9))
    assert window_of(Wanted(since=date(2024, 3, 8)), known, None) == Window(date(2024, 3, 8), date(2024, 3, 9))
    assert window_of(Wanted(until=date(2020, 1, 1)), known, None) == Window(date(2019, 10, 3), date(2020, 1, 1))
    # No run is noted: the day of the newest change had not ended, nor, without a cursor, that of the last answer.
    by_dlt = replace(known, complete_up_to=None, newest_change=AT)
    assert window_of(Wanted(), by_dlt, date(2024, 3, 9)) == Window(date(2023, 12, 10), date(2024, 3, 9))
    assert window_of(Wanted(), Known(UTC), date(2024, 5, 5)) == Window(date(2024, 2, 5), date(2024, 5, 5))
    assert window_of(Wanted(), Known(UTC), None).days == 90
    with pytest.raises(ConfigurationError, match="2024-03-09"):
        window_of(Wanted(since=date(2024, 3, 9)), known, None)


def test_the_window_begins_with_the_first_day_that_is_loaded() -> None:
    known = Known(UTC, AT, first_day=date(2024, 2, 1))
    assert window_of(Wanted(), known, None) == Window(date(2024, 2, 1), date(2024, 3, 10))
    assert window_of(Wanted(until=date(2024, 2, 1)), known, None) == Window(date(2023, 11, 3), date(2024, 2, 1))
    assert window_of(Wanted(), replace(known, first_day=date(2023, 1, 1)), None).since == date(2023, 12, 11)


@pytest.mark.parametrize(
    ("start", "zone", "first"),
    [
        ("2024-03-10T00:00", "UTC", date(2024, 3, 10)),
        ("2024-03-10T00:01", "UTC", date(2024, 3, 11)),
        ("2024-03-10T00:00", "America/Los_Angeles", date(2024, 3, 10)),
        ("2024-03-10T08:00", "America/Los_Angeles", date(2024, 3, 10)),
        ("2024-03-11T08:00", "America/Los_Angeles", date(2024, 3, 12)),
        ("2024-03-10T00:00", "Asia/Tokyo", date(2024, 3, 11)),
    ],
)
def test_the_first_whole_day_begins_with_a_start_date_or_behind_it(start: str, zone: str, first: date) -> None:
    assert first_whole_day(datetime.fromisoformat(f"{start}+00:00"), zone) == first


@given(st.dates(date(1970, 1, 1), date(2099, 12, 30)), st.integers(1, 3_000))
def test_the_window_before_is_as_long_and_ends_where_it_begins(since: date, days: int) -> None:
    window = Window(since, since + timedelta(days))
    assert (window.before.until, window.before.days) == (since, days)


def months(*found: Counts) -> list[Month]:
    last = len(found) - 1
    return [
        Month(date(2023 + number // 12, number % 12 + 1, 1), each, each.low, each.high, number < last)
        for number, each in enumerate(found)
    ]


FIGURES = Figures(
    wanted=Wanted(),
    known=Known(UTC, AT),
    window=Window(date(2024, 1, 1), date(2024, 3, 31)),
    latest=date(2024, 3, 30),
    now=Tally(NOW, declines=25, comments=9, detractors_with_comment=4),
    before=Tally(BEFORE),
    period="month",
    months=months(BEFORE, Counts(3), NOW, Counts(9, 2, 1), NOW),
    scores=[1, 1, 1, 1, 1, 0, 0, 20, 4, 6, 40],
    dimensions=[Dimension("plan", [Group("a", NOW, 2.5, differs=True), Group("b", BEFORE, -2.5, differs=True)])],
    tags=None,
    movers={},
    people=NOW,
    surveys=[],
    left_out=LeftOut(responses=75),
)


def test_a_group_that_differs_is_named() -> None:
    page = Page(document(FIGURES))
    assert page.sections["Who differs, by plan"].strip() == "a, b differ from the rest. Dashed: all, +55."
    assert list(page.rows("Who differs, by plan")) == [
        ["a 75 responses ▲ higher than the rest", "+55 +38 to +67", ""],
        ["b 70 responses ▼ lower than the rest", "+26 +7 to +42", ""],
    ]


def test_the_line_is_not_drawn_over_months_with_too_few_answers() -> None:
    page = Page(document(FIGURES))
    bands = [about["points"] for tag, about in page.elements if tag == "polygon"]
    lines = [about["points"] for tag, about in page.elements if tag == "polyline"]
    assert [len((each or "").split()) for each in bands] == [2, 6]
    assert [len((each or "").split()) for each in lines] == [1, 1, 1]
    circles = [about["class"] for tag, about in page.elements if tag == "circle" and about.get("class")]
    assert circles == ["over", "over", "running"]


def test_markup_of_the_page_is_not_escaped_twice() -> None:
    assert element("p", Html("<b>1</b>"), " < 2") == "<p><b>1</b> &lt; 2</p>"
