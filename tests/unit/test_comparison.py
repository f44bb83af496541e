"""The comparison with Wootric's own figures: each verdict, on accounts that hide, delete, count otherwise and lie.

The sandbox's overviews and lists answer without a server, and the loaded rows are in a DuckDB in memory.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from typing import Any, cast

import duckdb
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wootric_pipeline.api.client import Client
from wootric_pipeline.destinations.queries import Queries
from wootric_pipeline.errors import DatesIgnored, ListRefused, RequestRefused, UnexpectedAnswer, WootricError
from wootric_pipeline.insight.comparison import Comparer, Comparison, Loaded, days_to_compare
from wootric_pipeline.insight.counting import Rule
from wootric_pipeline.insight.own_figures import KINDS, REQUESTS_MAX, BudgetSpent, OwnFigures
from wootric_pipeline.insight.surveys import Metric
from wootric_pipeline.insight.tallies import Tally, Window
from wootric_pipeline.insight.zones import AccountZone, account_zone
from wootric_pipeline.reading.days import last_ended_day
from wootric_pipeline.sandbox import SECOND, Account, Behaviour, Query, Refused
from wootric_pipeline.sandbox.overviews import PATHS, Overviews

NOW = datetime(2026, 5, 20, 18, tzinfo=timezone.utc)
LATER, EARLIER = NOW - timedelta(hours=1), NOW - timedelta(hours=2)
SINCE = int(LATER.timestamp()) * SECOND
LAST = date(2026, 5, 19)
DAY = timedelta(days=1)
LOS_ANGELES = "America/Los_Angeles"
OWN = Rule()
COLUMNS = {
    "id": "bigint",
    "created_at": "timestamp",
    "updated_at": "timestamp",
    "end_user_id": "bigint",
    "survey_id": "bigint",
    "score": "bigint",
    "completed": "bool",
    "excluded_from_calculations": "bool",
}
TYPES = {"bigint": pyarrow.int64(), "timestamp": pyarrow.timestamp("us", "UTC"), "bool": pyarrow.bool_()}


def response(row_id: int, at: datetime, score: int = 9, survey: int = 11, **fields: Any) -> dict[str, Any]:
    moment = int(at.timestamp()) * SECOND
    row = {"id": row_id, "created_at": moment, "updated_at": moment, "end_user_id": row_id, "survey_id": survey}
    return {**row, "score": score, "completed": True, "excluded_from_calculations": False, **fields}


def lively(zone: str = LOS_ANGELES, days: int = 500, *, each_day: int = 2, last: date = LAST) -> Account:
    """Some responses on each day, the first and the last hour among their hours; a 0 among the scores."""
    account, begin = Account(zone), last - days * DAY
    rows = []
    for number in range(days * each_day):
        local = datetime.combine(begin + number // each_day * DAY, datetime.min.time(), account.time_zone)
        at = (local + timedelta(minutes=30 + number * 1_003 % 1_380)).astimezone(timezone.utc)
        odd = {"completed": number % 7 != 3, "excluded_from_calculations": number % 5 == 2}
        rows.append(response(number, at, number * 7 % 11, end_user_id=number % 40, **odd))
    account.fill("responses", rows)
    return account


@dataclass
class Service:
    """Answers as the sandbox's server does."""

    account: Account
    behaviour: Behaviour = field(default_factory=Behaviour)
    asked: list[str] = field(default_factory=list)

    def get_overview(self, path: str, params: Mapping[str, Any]) -> Any:
        self.asked.append(path)
        words = {name: str(value) for name, value in params.items()}
        try:
            if path in PATHS:
                return Overviews(self.account, self.behaviour).answer(PATHS[path], words, NOW.timestamp())
            rows = Query("responses", words, self.behaviour).page(self.account)
            return [dict(self.account.shown(row)) for row in rows]
        except Refused as refused:
            raise (ListRefused if refused.status == 403 else RequestRefused)(str(refused)) from None


class InMemory:
    """Stands for `Queries`, with the rows of an account."""

    tables = ("responses",)

    def __init__(self, account: Account, but: Collection[int] = (), marked: Collection[int] = ()) -> None:
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'Asia/Tokyo'")
        rows = [row for row in account.rows["responses"].values() if row["id"] not in but]
        held = {
            name: pyarrow.array([row[name] for row in rows], pyarrow.int64()).cast(TYPES[kind])
            if kind == "timestamp"
            else pyarrow.array([row[name] for row in rows], TYPES[kind])
            for name, kind in COLUMNS.items()
        }
        if marked:
            at = [NOW if row["id"] in marked else None for row in rows]
            held["_deleted_at"] = pyarrow.array(at, TYPES["timestamp"])
        self._names = list(held)
        self._connection.register("responses", pyarrow.table(held))

    def columns(self, _table: str) -> Mapping[str, Any]:
        return {name: {"data_type": COLUMNS.get(name, "timestamp")} for name in self._names}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(query).fetchall()

    instant = Queries.instant
    _has_zones = True


def compare(
    service: Service,
    loaded: InMemory,
    *,
    zone: str = "",
    base: Rule = OWN,
    surveys: Mapping[int, Metric] | None = None,
    known: Loaded | None = None,
) -> Comparison:
    """What the command does, of what is loaded up to now."""
    figures = OwnFigures(cast(Client, service))
    last = last_ended_day(NOW.timestamp())
    figures.check(last)
    if zone:
        found: AccountZone | None = AccountZone(zone, "setting")
    else:
        found = account_zone(figures.offsets(last.year - (last.month < 8)), last - 500 * DAY, last)
    assert found is not None
    known = known or Loaded(NOW, lambda _span: NOW)
    days = days_to_compare(known, last, found.name)
    assert days is not None
    tally = Tally(cast(Queries, loaded), found.name, surveys or {}, appends=False)
    comparison = Comparer(figures, tally, known, found, days, base).compare()
    assert figures.requests == len(service.asked) <= REQUESTS_MAX
    return comparison


def read(at: datetime, *, is_ordered: bool = True) -> Loaded:
    return Loaded(NOW, lambda _span: at, is_ordered=is_ordered)


def test_what_is_all_there_is_equal() -> None:
    account = lively()
    found = compare(Service(account), InMemory(account))
    assert (found.verdict, found.rule, found.zone) == ("equal", Rule(), AccountZone(LOS_ANGELES, "offsets"))
    assert [tuple(each.window) for each in found.windows] == [
        (date(2026, 4, 1), date(2026, 4, 30)),
        (date(2026, 3, 1), date(2026, 3, 31)),  # of a clock change
        (LAST - DAY, LAST - DAY),  # the last with a response
        (date(2025, 5, 20), LAST),
        (date(2000, 1, 1), date(2025, 5, 19)),
    ]
    assert all(each.wootric == each.loaded and each.loaded.responses for each in found.windows)


@pytest.mark.parametrize(
    "zone",
    ["Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "Asia/Beirut", "America/Havana", "UTC"],
)
def test_days_of_any_length_and_offset(zone: str) -> None:
    account = lively(zone, each_day=5)
    for number, day in enumerate([date(2026, 4, 1), date(2026, 5, 1), date(2026, 4, 19), LAST + DAY]):
        begin = datetime.combine(day, datetime.min.time(), account.time_zone).astimezone(timezone.utc)
        account.put("responses", response(20_000 + number, begin))
        account.put("responses", response(30_000 + number, begin - timedelta(seconds=1), 3))
    assert compare(Service(account), InMemory(account), zone=zone).verdict == "equal"
    assert compare(Service(account), InMemory(account)).verdict == "equal"


@pytest.mark.parametrize(
    ("behaviour", "rule"),
    [
        ({"counts_excluded": True}, Rule(excluded=True)),
        ({"counts_incomplete": False}, Rule(completed=True)),
        ({"counts_last_day": False}, Rule(last_day_out=True)),
        ({"days_in_utc": True}, Rule(zone="UTC")),
        ({"counts_excluded": True, "counts_incomplete": False}, Rule(excluded=True, completed=True)),
        (
            {"counts_excluded": True, "counts_last_day": False, "days_in_utc": True},
            Rule(excluded=True, last_day_out=True, zone="UTC"),
        ),
    ],
)
def test_another_way_to_count_is_named(behaviour: dict[str, Any], rule: Rule) -> None:
    account = lively()
    service = Service(account, Behaviour(**behaviour))
    found = compare(service, InMemory(account), zone=LOS_ANGELES)
    assert (found.verdict, found.rule) == ("equal, counted differently", rule)
    # Where that is set, it is equal.
    assert compare(Service(account, service.behaviour), InMemory(account), base=rule).verdict == "equal"


def test_a_rule_that_a_row_or_two_speak_for_is_not_believed() -> None:
    account = lively(each_day=1)
    rows = account.rows["responses"]
    for each in rows.values():
        each["excluded_from_calculations"] = False
    excluded, missing = [each["id"] for each in rows.values() if each["score"] >= 9][-2:]
    rows[excluded]["excluded_from_calculations"] = True
    rows[excluded]["created_at"] = rows[missing]["created_at"] - SECOND
    found = compare(Service(account), InMemory(account, but=[missing]), zone=LOS_ANGELES)
    assert (found.verdict, found.is_missing) == ("cannot compare", False)
    assert "as many may be missing here" in found.reason


def test_a_rule_that_many_old_responses_speak_for_is_named() -> None:
    # The last day with a response is in the widest window, and tells of one alone.
    account = lively(days=3, each_day=40, last=LAST - 900 * DAY)
    account.put("responses", response(9_000, NOW - timedelta(days=901), 9, excluded_from_calculations=True))
    found = compare(Service(account, Behaviour(counts_excluded=True)), InMemory(account), zone=LOS_ANGELES)
    assert (found.verdict, found.rule) == ("equal, counted differently", Rule(excluded=True))


def test_figures_that_contradict_themselves_are_not_compared() -> None:
    account = lively()
    summary = Overviews._nps_summary

    def in_percent(self: Overviews, responses: list[Any], declines: list[Any]) -> dict[str, Any]:
        found = summary(self, responses, declines)
        total = sum(found[kind] for kind in KINDS) or 1
        first, second = (round(100 * found[kind] / total) for kind in KINDS[:2])
        return {**found, KINDS[0]: first, KINDS[1]: second, KINDS[2]: 100 - first - second}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Overviews, "_nps_summary", in_percent)
        with pytest.raises(UnexpectedAnswer, match="whose sum is not responses"):
            compare(Service(account), InMemory(account), zone=LOS_ANGELES)


def test_figures_without_any_response_are_not_compared() -> None:
    account = lively()
    service = Service(account)

    def nothing(_self: Overviews, _responses: list[Any], _declines: list[Any]) -> dict[str, Any]:
        return {**dict.fromkeys(KINDS, 0), "responses": 0}

    figures, summary = [0], Overviews._nps_summary

    def after_the_check(self: Overviews, responses: list[Any], declines: list[Any]) -> dict[str, Any]:
        # Whether days are looked at is asked without them.
        figures[0] += 1
        return (summary if figures[0] == 1 else nothing)(self, responses, declines)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Overviews, "_nps_summary", after_the_check)
        found = compare(service, InMemory(account), zone=LOS_ANGELES)
    assert (found.verdict, found.is_missing) == ("cannot compare", False)


def test_surveys_that_are_undecided_or_no_nps() -> None:
    account = lively()
    for number in range(300):
        at = NOW - timedelta(days=3 + number)
        account.put("responses", response(5_000 + number, at, 1 + number % 5, survey=12))
        account.put("responses", response(6_000 + number, at, 1 + number % 7, survey=13))
    service = Service(account)
    found = compare(service, InMemory(account), zone=LOS_ANGELES)
    assert (found.verdict, found.rule) == ("equal, counted differently", Rule(surveys="all"))
    known: dict[int, Metric] = {12: "nps", 13: "nps"}
    assert compare(Service(account), InMemory(account), zone=LOS_ANGELES, surveys=known).verdict == "equal"


def test_a_survey_that_has_only_begun_counts_where_all_do() -> None:
    account = lively()
    loaded = InMemory(account)
    account.put("responses", response(5_000, datetime(2026, 4, 9, tzinfo=timezone.utc), survey=14, updated_at=SINCE))
    found = compare(Service(account), loaded, base=Rule(surveys="all"), known=read(EARLIER))
    assert found.verdict == "equal"


def test_no_more_requests_are_sent_than_may_be() -> None:
    service = Service(lively())
    figures = OwnFigures(cast(Client, service))
    for number in range(REQUESTS_MAX):
        figures.of(Window(LAST - number * DAY, LAST))
    figures.of(Window(LAST, LAST))
    with pytest.raises(BudgetSpent):
        figures.of(Window(LAST - 99 * DAY, LAST))
    assert len(service.asked) == REQUESTS_MAX


def test_only_the_latest_answer_of_each_person_counts_there() -> None:
    account, service = lively(), Service(lively())
    summary = Overviews._nps_summary

    def of_latest(self: Overviews, responses: list[Any], declines: list[Any]) -> dict[str, int]:
        counted = [row for row in responses if not row["excluded_from_calculations"]]
        latest = {row["end_user_id"]: row for row in sorted(counted, key=lambda row: (row["created_at"], row["id"]))}
        return summary(self, list(latest.values()), declines)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Overviews, "_nps_summary", of_latest)
        found = compare(service, InMemory(account), zone=LOS_ANGELES)
    assert (found.verdict, found.rule) == ("equal, counted differently", Rule(latest=True))


def test_days_of_another_place_are_named() -> None:
    account = lively(each_day=6)
    elsewhere = lively(each_day=6)
    elsewhere.time_zone = cast(Any, __import__("zoneinfo")).ZoneInfo("America/New_York")
    found = compare(Service(elsewhere), InMemory(account), zone=LOS_ANGELES)
    assert (found.verdict, found.rule) == ("equal, counted differently", Rule(zone="America/New_York"))


@pytest.mark.parametrize("day", [date(2026, 4, 1), date(2026, 4, 14), date(2026, 4, 30), date(2026, 3, 8)])
def test_the_day_of_missing_rows_is_named(day: date) -> None:
    account = lively()
    begin = datetime.combine(day, datetime.min.time(), account.time_zone)
    hidden = [
        row["id"] for row in account.rows["responses"].values()
        if begin <= datetime.fromtimestamp(row["created_at"] / SECOND, account.time_zone) < begin + DAY
        and not row["excluded_from_calculations"]
    ]  # fmt: skip
    assert hidden
    found = compare(Service(account), InMemory(account, hidden))
    assert (found.verdict, found.difference, found.where, found.is_missing) == (
        "differs", len(hidden), Window(day, day), True,
    )  # fmt: skip


def test_missing_rows_of_long_ago_are_narrowed_down() -> None:
    account = lively(days=700)
    long_ago = datetime(2025, 2, 10, 20, tzinfo=timezone.utc)
    account.put("responses", response(9_999, long_ago))
    found = compare(Service(account), InMemory(account, [9_999]), zone=LOS_ANGELES)
    assert (found.verdict, found.difference, found.is_missing) == ("differs", 1, True)
    assert found.where is not None
    assert found.where.first <= long_ago.date() <= found.where.last
    # Of the 9,000 days before that a dozen requests leave few.
    assert found.where.days < 60


def test_rows_that_are_missing_are_found_beside_another_way_to_count() -> None:
    account = lively()
    hidden = [row for row in account.rows["responses"].values() if not row["excluded_from_calculations"]][-40]
    service = Service(account, Behaviour(counts_excluded=True, counts_incomplete=False))
    found = compare(service, InMemory(account, [hidden["id"]]))
    assert (found.verdict, found.rule, found.is_missing) == ("differs", Rule(excluded=True, completed=True), True)
    assert found.difference == 1


def test_what_was_deleted_there_is_not_missing_here() -> None:
    account = lively()
    loaded = InMemory(account)
    deleted = [row for row in account.rows["responses"].values() if not row["excluded_from_calculations"]][-40]
    account.delete("responses", deleted["id"])
    found = compare(Service(account), loaded)
    assert (found.verdict, found.difference, found.is_missing) == ("differs", -1, False)
    at = datetime.fromtimestamp(deleted["created_at"] / SECOND, account.time_zone)
    assert found.where == Window(at.date(), at.date())


def test_what_is_marked_as_gone_does_not_count_here() -> None:
    account = lively()
    deleted = [row["id"] for row in account.rows["responses"].values() if not row["excluded_from_calculations"]][-40]
    loaded = InMemory(account, marked=[deleted])
    assert compare(Service(account), loaded).verdict == "differs"
    account.delete("responses", deleted)
    assert compare(Service(account), loaded).verdict == "equal"


def test_a_response_of_a_time_before_all_days_is_none() -> None:
    account = lively()
    account.put("responses", response(9_999, datetime(1, 1, 1, 1, tzinfo=timezone.utc)))
    assert compare(Service(account), InMemory(account)).verdict == "equal"


def changed(account: Account, count: int, at: datetime) -> None:
    """Moves scores from one end to the other, of responses of the months that are compared first."""
    counted = [
        row for row in account.rows["responses"].values()
        if row["score"] >= 9 and not row["excluded_from_calculations"] and row["created_at"] >= 1_775_100_000 * SECOND
    ]  # fmt: skip
    assert len(counted) >= count
    for row in counted[:count]:
        account.change("responses", row["id"], int(at.timestamp()) * SECOND, score=0)


@pytest.mark.parametrize("count", [1, 5])
def test_what_changed_since_it_was_read_is_no_difference(count: int) -> None:
    account = lively()
    loaded = InMemory(account)
    changed(account, count, LATER)
    assert compare(Service(account), loaded, known=read(EARLIER)).verdict == "equal"
    # A change that the run should have seen.
    found = compare(Service(account), loaded, known=read(NOW))
    assert (found.verdict, found.difference, found.is_missing) == ("differs", 0, True)


def test_missing_rows_are_found_beside_what_changed_since() -> None:
    account = lively()
    hidden = [row for row in account.rows["responses"].values() if not row["excluded_from_calculations"]][-50]
    loaded = InMemory(account, [hidden["id"]])
    changed(account, 4, LATER)
    found = compare(Service(account), loaded, known=read(EARLIER))
    assert (found.verdict, found.difference, found.is_missing) == ("differs", 1, True)


@pytest.mark.parametrize("count", [1, 5])
def test_lists_in_no_order_of_changes_prove_a_day_at_most(count: int) -> None:
    account = lively()
    loaded = InMemory(account)
    changed(account, count, LATER)
    behaviour = Behaviour(ignores_updated=frozenset(["responses"]), ignores_sort_key=frozenset(["responses"]))
    known = read(EARLIER, is_ordered=False)
    found = compare(Service(account, behaviour), loaded, zone=LOS_ANGELES, known=known)
    assert (found.verdict, found.is_missing) == ("cannot compare", False)
    assert "may have changed since" in found.reason
    # A day whose rows are listed, and were not loaded, or by no list, is another thing.
    hidden = [row for row in account.rows["responses"].values() if not row["excluded_from_calculations"]][-50]
    account = lively()
    for unlisted in ((), (hidden["id"],)):
        service = Service(account, replace(behaviour, unlisted={"responses": unlisted}))
        found = compare(service, InMemory(account, [hidden["id"]]), zone=LOS_ANGELES, known=known)
        assert (found.verdict, found.difference, found.is_missing) == ("differs", 1, True)


def test_changes_are_seen_where_lists_can_be_sorted_by_them() -> None:
    account = lively()
    loaded = InMemory(account)
    changed(account, 5, LATER)
    service = Service(account, Behaviour(ignores_updated=frozenset(["responses"])))
    assert compare(service, loaded, known=read(EARLIER, is_ordered=False)).verdict == "equal"


def test_what_was_never_read_is_not_compared() -> None:
    account = lively()
    hidden = [row["id"] for row in account.rows["responses"].values() if row["created_at"] < 1_770_000_000 * SECOND]
    border = datetime.fromtimestamp(1_770_000_000, timezone.utc)
    known = Loaded(NOW, lambda span: NOW if span.since >= border else None)
    found = compare(Service(account), InMemory(account, hidden), known=known)
    assert (found.verdict, [each.window.days for each in found.windows]) == ("equal", [30, 31, 1])


def test_a_start_date_leaves_what_was_before_out() -> None:
    account = lively()
    start = datetime(2026, 3, 31, 12, tzinfo=timezone.utc)
    hidden = [row["id"] for row in account.rows["responses"].values() if row["created_at"] < start.timestamp() * SECOND]
    known = Loaded(NOW, lambda _span: NOW, start=start)
    found = compare(Service(account), InMemory(account, hidden), known=known)
    assert (found.verdict, [str(each.window) for each in found.windows]) == (
        "equal", ["2026-04-01 to 2026-04-30", "2026-05-18", "2026-04-01 to 2026-05-19"],
    )  # fmt: skip


def test_a_constant_offset_is_an_assumption() -> None:
    account = lively("Asia/Kolkata")
    hidden = [row for row in account.rows["responses"].values() if not row["excluded_from_calculations"]][-50]
    found = compare(Service(account), InMemory(account))
    assert (found.verdict, found.zone) == ("equal", AccountZone("Asia/Kolkata", "assumed"))
    found = compare(Service(account), InMemory(account, [hidden["id"]]))
    assert (found.verdict, found.difference, found.is_missing) == ("cannot compare", 1, False)
    assert found.reason == "The account's time zone is only assumed to be Asia/Kolkata; set time_zone."
    found = compare(Service(account), InMemory(account, [hidden["id"]]), zone="Asia/Kolkata")
    assert (found.verdict, found.is_missing) == ("differs", True)


@pytest.mark.parametrize("figures", [{"dates_bare": False}, {"dates_quoted": False}])
def test_days_are_taken_in_either_form(figures: dict[str, Any]) -> None:
    account = lively()
    assert compare(Service(account, Behaviour(**figures)), InMemory(account), zone=LOS_ANGELES).verdict == "equal"


def test_days_that_are_ignored_are_no_figures() -> None:
    account = lively()
    with pytest.raises(DatesIgnored):
        compare(Service(account, Behaviour(ignores_dates=True)), InMemory(account))


def test_the_zone_is_seen_in_the_list_where_email_stats_is_refused() -> None:
    account = lively(days=1_000, each_day=1)
    service = Service(account, Behaviour(refuses=frozenset(["email_stats"])))
    found = compare(service, InMemory(account))
    assert (found.verdict, found.zone) == ("equal", AccountZone(LOS_ANGELES, "offsets"))


def test_figures_as_texts_are_figures_and_others_are_not() -> None:
    account = lively()

    class Textual(Service):
        def get_overview(self, path: str, params: Mapping[str, Any]) -> Any:
            answer = super().get_overview(path, params)
            return {name: f"{value}" for name, value in answer.items()} if path == "/v1/nps_summary" else answer

    class Scores(Service):
        def get_overview(self, path: str, params: Mapping[str, Any]) -> Any:
            answer = super().get_overview(path, params)
            return {"nps": 5, "responses": answer["responses"]} if path == "/v1/nps_summary" else answer

    assert compare(Textual(account), InMemory(account)).verdict == "equal"
    with pytest.raises(WootricError, match="without counting promoters, passives, detractors"):
        compare(Scores(account), InMemory(account))


def test_nothing_is_no_proof() -> None:
    account = Account(LOS_ANGELES)
    found = compare(Service(account), InMemory(account), zone=LOS_ANGELES)
    assert (found.verdict, found.reason) == (
        "cannot compare", "Wootric counts no responses in the days that can be compared.",
    )  # fmt: skip
    account = lively()
    found = compare(Service(account), InMemory(Account()))
    assert (found.verdict, found.is_missing) == ("differs", True)


BEHAVIOURS = st.builds(
    Behaviour,
    counts_excluded=st.booleans(),
    counts_incomplete=st.booleans(),
    counts_last_day=st.booleans(),
    days_in_utc=st.booleans(),
    dates_bare=st.booleans(),
    ignores_sort_key=st.sampled_from([frozenset[str](), frozenset(["responses"])]),
)


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(
    BEHAVIOURS,
    st.lists(
        st.tuples(st.integers(0, 420 * 86_400), st.integers(0, 10), st.booleans(), st.booleans(), st.integers(1, 4)),
        max_size=30,
    ),
    st.sampled_from([LOS_ANGELES, "Asia/Kolkata", "Pacific/Auckland"]),
)
def test_nothing_is_called_missing_where_all_is_loaded(
    behaviour: Behaviour, given_rows: list[tuple[int, int, bool, bool, int]], zone: str
) -> None:
    account = Account(zone)
    for number, (ago, score, completed, excluded, person) in enumerate([(9 * 86_400, 0, True, False, 1), *given_rows]):
        fields = {"completed": completed, "excluded_from_calculations": excluded, "end_user_id": person}
        account.put("responses", response(number, NOW - timedelta(seconds=ago), score, **fields))
    found = compare(Service(account, behaviour), InMemory(account), zone=zone)
    assert (found.is_missing, found.difference, found.where) == (False, 0, None)
