"""Servers that lie a little: a reading brings exactly their rows, or says at which moment of which table it cannot.

Rows that change meanwhile may come in any version they had; all others come as they are. A run that ends well and lacks
a row is the one thing that must never happen.
"""

import random
import re
from dataclasses import dataclass, replace
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, assume, currently_in_test_context, event, example, given, settings

from tests.unit.lying_accounts import (
    CROWDS,
    KINDS,
    SERVERS,
    SUPPOSED,
    SUPPOSED_KINDS,
    Named,
    Plan,
    Scenario,
    honest_budget,
    scenarios,
)
from tests.unit.lying_server import (
    DAY,
    NOW,
    SECOND,
    Change,
    Compares,
    Glitch,
    Lies,
    LyingServer,
    Row,
    TooManyRequests,
)
from tests.unit.reading_harness import Outcome, State, read

MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}|\d{6,}")
"""A date or UNIX seconds, as an error names it."""

FEW = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
THOUSANDS = settings(FEW, max_examples=2_000)


def fault(server: LyingServer, outcome: Outcome, since: int | None = None, until: int | None = None) -> str | None:
    """What is wrong with a reading; the first word says of which kind it is."""
    expected = server.expected(since, until)
    if outcome.complete == (outcome.error is not None):
        return f"CONTRADICTION: complete is {outcome.complete}, the error {outcome.error!r}"
    lost = sorted(expected.required.keys() - outcome.rows.keys())
    if outcome.complete and lost and not server.shows_nothing():
        return f"LOST with success: {len(lost)} of {len(expected.required)} rows, the first with id {lost[0]}"
    for row in outcome.rows.values():
        versions = expected.allowed.get(int(row["id"]), [])
        if not any(version == {name: row.get(name) for name in version} for version in versions):
            return f"WRONG: {row} is none of {versions}"
    if outcome.error and not names_its_place(outcome.error, server):
        return f"VAGUE: no table and moment in {outcome.error!r}"
    return None


def names_its_place(error: str, server: LyingServer) -> bool:
    """Whether an error says which table and moment; an outage has no moment of rows."""
    return server.table in error and (server.lies.fails_at is not None or MOMENT.search(error) is not None)


def fault_of(scenario: Scenario, *, is_read: bool = False) -> str | None:
    """What is wrong with the reading of a server; with `is_read` an error is, too."""
    server = scenario.server()
    since, until = scenario.since, scenario.until
    try:
        outcome = read(server, server.table, since=since, until=until, connections=scenario.connections)
    except TooManyRequests as endless:
        return str(endless)
    if currently_in_test_context():
        event("complete" if outcome.complete else "reported")
    found = fault(server, outcome, since, until)
    return f"UNREAD: {outcome.error}" if is_read and not found and outcome.error else found


# Each way to lie by itself.

MODES = {"along updated": Lies(), "along created": Lies(updated_ignored=True)}


@dataclass(frozen=True)
class Reading:
    """How the account of a named server is read, and how close its rows are."""

    table: str = "responses"
    seconds_apart: float = 3_600.0
    backfill: bool = False
    connections: int = 1

    def of(self, named: Named, mode: str) -> Scenario:
        """That reading of a server; a backfill is of the middle three fifths."""
        plan = replace(Plan(seconds_apart=self.seconds_apart, seed=1), **named.rows)
        scenario = Scenario(plan, named.lies | MODES[mode], self.table, connections=self.connections)
        if not self.backfill:
            return scenario
        seconds = sorted(row.updated // SECOND for row in plan.build())
        return replace(scenario, since=seconds[len(seconds) // 5], until=seconds[len(seconds) * 4 // 5])


SPARSE = {"first load": Reading(), "backfill": Reading(backfill=True)}
READINGS = {
    **SPARSE,
    "three rows a second": Reading(seconds_apart=0.4),
    "three rows a second, backfill": Reading(seconds_apart=0.4, backfill=True),
    "three rows a second, four connections": Reading(seconds_apart=0.4, connections=4),
    "end users": Reading("end_users"),
    "end users, backfill": Reading("end_users", backfill=True),
}


IN_CI = ("first load", "backfill", "three rows a second, four connections", "end users, backfill")


def faults_of(named: Named, mode: str, readings: dict[str, Reading] = READINGS) -> dict[str, str]:
    """What is wrong with which readings of a server."""
    found = {
        name: fault_of(reading.of(named, mode), is_read=named.is_read and reading in SPARSE.values())
        for name, reading in readings.items()
    }
    return {name: fault for name, fault in found.items() if fault}


def each(servers: dict[str, Named]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("named", [pytest.param(named, id=name) for name, named in servers.items()])


@pytest.mark.parametrize("mode", MODES)
@each(SERVERS)
def test_a_server_that_lies_in_one_way(named: Named, mode: str) -> None:
    assert faults_of(named, mode, {name: READINGS[name] for name in IN_CI}) == {}


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@each(SERVERS)
def test_a_server_that_lies_in_one_way_is_read_in_all(named: Named, mode: str) -> None:
    assert faults_of(named, mode) == {}


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@each(SUPPOSED)
def test_a_server_that_lies_as_none_is_known_to(named: Named, mode: str) -> None:
    assert faults_of(named, mode) == {}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("table", ["responses", "end_users"])
def test_a_first_load_finds_what_is_hidden_by_pages_that_were_cut_before_they_were_sorted(
    mode: str, table: str
) -> None:
    named = Named(Lies(cut_by_creation=True), {"updated_later": 0.9})
    assert fault_of(Reading(table).of(named, mode)) is None


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@each(CROWDS)
def test_a_second_with_more_rows_than_a_query_reaches(named: Named, mode: str) -> None:
    assert faults_of(named, mode, SPARSE) == {}


def test_behind_a_second_that_cannot_be_read_reading_goes_on() -> None:
    plan = Plan(rows=3_700, seed=1, tied_created=3_200)
    server = Scenario(plan, Lies(updated_ignored=True)).server()
    outcome = read(server, "responses")
    (crowded,) = {row.created // SECOND for row in server.rows.values() if 300 < row.id < 3_300}
    others = [row for row in server.rows.values() if row.created // SECOND != crowded]
    assert fault(server, outcome) is None
    assert outcome.error is not None
    assert {row.id: server.record(row) for row in others}.items() <= outcome.rows.items()


# All ways to lie, at once.


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("number", "came_after"), [(3_000, 8_500), (8_600, 8_900)], ids=["over a look back", "in the last window"]
)
def test_an_import_amid_thousands_of_rows_in_the_order_of_ids_is_not_missed(
    mode: str, number: int, came_after: int
) -> None:
    order = [*range(number), 9_000, *range(number, 9_000)]
    moments = {row: (NOW - (9_001 - place) * 600) * SECOND for place, row in enumerate(order)}
    by_id = [*range(came_after), 9_000, *range(came_after, 9_000)]
    rows = [Row(row_id, moments[row], moments[row]) for row_id, row in enumerate(by_id, 1)]
    server = LyingServer({row.id: row for row in rows}, Lies(sorted_by="id") | MODES[mode])
    outcome = read(server, "responses")
    assert not outcome.complete
    assert fault(server, outcome) is None


@pytest.mark.parametrize("mode", MODES)
def test_people_who_came_in_the_order_of_their_emails_are_not_taken_for_sorted_by_time(mode: str) -> None:
    ids = random.Random(1).sample(range(9_000), 9_000)
    moments = [(NOW - (9_001 - place) * 600) * SECOND for place in range(9_000)]
    # One of them has an email like those who came later.
    emails = [f"person{8_499.5 if place == 2_500 else place:09.1f}@example.com" for place in range(9_000)]
    rows = [Row(row_id, moment, moment, email) for row_id, moment, email in zip(ids, moments, emails, strict=True)]
    server = LyingServer({row.id: row for row in rows}, Lies(sorted_by="email") | MODES[mode], "end_users")
    outcome = read(server, "end_users")
    assert not outcome.complete
    assert fault(server, outcome) is None


@pytest.mark.parametrize("table", ["end_users", "responses"])
@pytest.mark.parametrize("page_rows", [50, 25])
def test_a_second_that_fills_pages_is_read_though_the_order_of_creation_is_refused(table: str, page_rows: int) -> None:
    lies = Lies(refuses=frozenset({"sort_key=created_at"}), page_rows=page_rows)
    plan = Plan(rows=600, tied_updated=120, tied_created=110, seed=1)
    assert fault_of(Scenario(plan, lies, table), is_read=True) is None


class Fast(LyingServer):
    """A list that answers a hundred times a second, and of which a row changes with each answer."""

    def pass_a_second(self) -> None:
        self.now -= SECOND - SECOND // 100
        super().pass_a_second()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("kind", ["update", "insert"])
def test_an_honest_list_that_changes_all_the_time_is_read(
    kind: Literal["update", "insert"], connections: int, mode: str
) -> None:
    changes = [Change(kind, 7 * number) for number in range(2_000)]
    rows = {row.id: row for row in Plan(rows=1_500, seconds_apart=60.0, seed=1).build()}
    server = Fast(rows, MODES[mode], changes=changes, requests_max=1_000)
    outcome = read(server, "responses", connections=connections)
    assert outcome.error is None
    assert fault(server, outcome) is None


@pytest.mark.parametrize("reading", ["first load", "backfill"])
@pytest.mark.parametrize("table", ["end_users", "responses", "declines"])
@pytest.mark.parametrize("refused", ["sort_key=updated_at", "sort_key=created_at", "updated", "created"])
def test_what_is_refused_is_not_needed(reading: str, table: str, refused: str) -> None:
    how = replace(READINGS[reading], table=table)
    assert fault_of(how.of(Named(Lies(refuses=frozenset({refused}))), "along updated"), is_read=True) is None


@FEW
@given(scenarios(KINDS))
@example(Scenario(Plan(rows=120, seconds_apart=60.0), Lies(page_rows=10)))
@example(Scenario(Plan(rows=120, seconds_apart=60.0), Lies(glitches=(Glitch("empty", at=2),))))
@example(
    Scenario(
        Plan(rows=12, seconds_apart=3.0, seed=39526465, updated_later=0.0, to_the_microsecond=True),
        Lies(
            page_rows=1,
            per_page_refused_above=29,
            refuses=frozenset({"sort_key=updated_at", "sort_key=created_at"}),
            glitches=(Glitch("empty", at=7),),
        ),
        "end_users",
    )
)
@example(
    Scenario(
        Plan(rows=397, seconds_apart=0.01, updated_later=1.0, future=46),
        Lies(glitches=(Glitch("short", rate=0.3, where="anywhere"),)),
        seed=3,
    )
)
@example(
    Scenario(
        Plan(rows=294, seconds_apart=0.01, seed=3185242, updated_later=0.0, future=48),
        Lies(glitches=(Glitch("empty", rate=0.3, rows=5),), gte_is_gt="seconds"),
        "end_users",
        seed=86,
    )
)
@example(
    Scenario(
        Plan(
            rows=183,
            seconds_apart=3.0,
            seed=193723975,
            updated_later=0.03,
            to_the_microsecond=True,
            imports=18,
            imports_within=0.0,
            future=44,
        ),
        Lies(page_rows=10, glitches=(Glitch("short", rate=0.3, rows=1, where="tail"),)),
        "end_users",
        since=1901023758,
        connections=4,
        seed=609,
    )
)
@example(
    Scenario(
        Plan(rows=285, seconds_apart=0.01, updated_later=0.0),
        Lies(glitches=(Glitch("empty", rate=0.3),), ties_anew=True, shown="rounded"),
        since=1_731_499_197,
    )
)
@example(
    Scenario(
        Plan(rows=324, seconds_apart=0.01, updated_later=0.0, imports=29, imports_within=0.0, imports_after=0.3),
        Lies(
            refuses=frozenset({"sort_key=created_at", "sort_key=updated_at"}),
            glitches=(Glitch("short", rate=0.1, where="anywhere"),),
            compares=Compares("seconds"),
        ),
        seed=32,
    )
)
@example(
    Scenario(
        Plan(rows=255, seconds_apart=86_400.0, seed=30_681, to_the_microsecond=True, before_1970=19),
        Lies(page_last=2, sorted_by="id", sorted_by_when=frozenset({"updated_at"}), ties_anew=True, shown="rounded_up"),
        seed=924,
    )
)
@example(
    Scenario(
        Plan(
            rows=159,
            seed=16_439_052,
            updated_later=0.3,
            imports=11,
            imports_within=0.5,
            imports_after=0.8,
            before_1970=27,
            future=39,
            hidden_share=0.3,
            hidden_run=11,
        ),
        Lies(page_rows=12, per_page_refused_above=38, updated_ignored=True, sorted_by="id"),
        since=-463_752_581,
        until=1_730_933_972,
        seed=1,
    )
)
def test_servers_that_lie(scenario: Scenario) -> None:
    assert fault_of(scenario) is None


@pytest.mark.slow
@THOUSANDS
@given(scenarios(KINDS))
def test_thousands_of_servers_that_lie(scenario: Scenario) -> None:
    assert fault_of(scenario) is None


@FEW
@given(scenarios(KINDS, changes=True))
def test_servers_that_lie_about_rows_that_change(scenario: Scenario) -> None:
    assert fault_of(scenario) is None


@pytest.mark.slow
@THOUSANDS
@given(scenarios(KINDS, changes=True))
def test_thousands_of_servers_that_lie_about_rows_that_change(scenario: Scenario) -> None:
    assert fault_of(scenario) is None


@FEW
@given(scenarios({**KINDS, **SUPPOSED_KINDS}))
@example(
    Scenario(
        Plan(rows=40, seconds_apart=0.4, seed=28987, updated_later=0.0),
        Lies(page_rows=2, glitches=(Glitch("empty", rate=0.3),), per_page_ignored=True, order_ignored="desc"),
    )
)
@example(
    Scenario(
        Plan(rows=72, seconds_apart=60.0, seed=1335, updated_later=1.0, future=12),
        Lies(
            page_rows=5,
            per_page_refused_above=37,
            glitches=(Glitch("short", at=8, rows=4, where="anywhere"),),
            order_ignored="asc",
        ),
        seed=1,
    )
)
@example(
    Scenario(
        Plan(rows=100, seconds_apart=0.0, seed=362880, updated_later=0.0, tied_created=12, future=24),
        Lies(page_rows=24, per_page_refused_above=31, order_ignored="asc"),
        "end_users",
    )
)
@example(
    Scenario(
        Plan(rows=238, seconds_apart=60.0, seed=24593160, updated_later=0.0, tied_updated=29),
        Lies(
            page_rows=13,
            per_page_refused_above=32,
            glitches=(Glitch("empty", rate=0.3, rows=2, where="anywhere"),),
            order_ignored="desc",
        ),
        since=1731494462,
        until=1731495749,
    )
)
def test_servers_that_lie_as_none_is_known_to(scenario: Scenario) -> None:
    assert fault_of(scenario) is None


@pytest.mark.slow
@THOUSANDS
@given(scenarios({**KINDS, **SUPPOSED_KINDS}, changes=True))
def test_thousands_of_servers_that_lie_as_none_is_known_to(scenario: Scenario) -> None:
    assert fault_of(scenario) is None


HONEST_KINDS = {name: KINDS[name] for name in ("updated", "zone", "latency")}


@FEW
@given(scenarios(HONEST_KINDS))
def test_honest_servers_are_read_to_the_end(scenario: Scenario) -> None:
    scenario = replace(scenario, plan=replace(scenario.plan, hidden_share=0.0, hidden_run=0))
    assert fault_of(scenario, is_read=True) is None


# What a run leaves to the next.


def quiet_runs(server: LyingServer, state: State, runs: int = 2) -> dict[Any, dict[str, Any]]:
    """The rows that an honest server brings, an hour later, to runs that go on with that state."""
    shown = {row.id: row for row in server.rows.values() if not row.hidden}
    healthy = LyingServer(shown, table=server.table, now=server.now + 3_600 * SECOND, requests_max=5_000)
    rows: dict[Any, dict[str, Any]] = {}
    for _ in range(runs):
        outcome = read(healthy, healthy.table, state=state)
        assert outcome.error is None
        rows |= outcome.rows
        state = outcome.state
    return rows


def brought_back(scenario: Scenario) -> None:
    """Whatever a run did with a server that lied, the next ones with an honest one leave nothing out."""
    scenario = replace(scenario, since=None, until=None)
    server = scenario.server()
    try:
        first = read(server, server.table, connections=scenario.connections)
        rows = {int(row_id): row for row_id, row in first.rows.items()} | quiet_runs(server, first.state)
    except TooManyRequests as endless:
        pytest.fail(str(endless))
    # The cursor of a run that broke off is in the times it was shown, and nothing tells that they were local ones.
    if currently_in_test_context():
        assume(first.complete or server.lies.zone_shown)
    versions = {row.id: row.version for row in server.rows.values() if not row.hidden}
    assert {row_id: rows.get(row_id, {}).get("version") for row_id in versions} == versions


@FEW
@given(scenarios(KINDS, changes=True))
def test_an_honest_server_brings_back_what_a_lying_one_left_out(scenario: Scenario) -> None:
    brought_back(scenario)


@pytest.mark.slow
@THOUSANDS
@given(scenarios(KINDS, changes=True))
def test_an_honest_server_brings_back_what_thousands_left_out(scenario: Scenario) -> None:
    brought_back(scenario)


@pytest.mark.parametrize("mode", MODES)
@each({**SERVERS, **SUPPOSED})
def test_an_honest_server_brings_back_what_this_one_left_out(named: Named, mode: str) -> None:
    brought_back(Reading().of(named, mode))


def row_of(row_id: int, second: int) -> Row:
    return Row(row_id, second * SECOND, second * SECOND)


@pytest.mark.parametrize("mode", MODES)
def test_a_row_from_the_future_does_not_take_the_cursor_there(mode: str) -> None:
    regular = [row_of(index, NOW - 100_000 + index * 60) for index in range(1, 101)]
    future = Row(101, NOW * SECOND - DAY, NOW * SECOND + 300 * DAY)
    server = LyingServer({row.id: row for row in [*regular, future]}, MODES[mode])
    first = read(server, "responses")
    later = row_of(102, server.now // SECOND + 60)
    server.rows[102] = later
    server.now += DAY
    healthy = LyingServer(server.rows, MODES[mode], now=server.now)
    second = read(healthy, "responses", state=first.state)
    assert first.rows.keys() == set(range(1, 102))
    assert second.rows.get(102) == healthy.record(later)


@pytest.mark.parametrize(
    "clock",
    [
        Lies(date_stuck_at=0),
        Lies(date_stuck_at=NOW - 86_400),
        Lies(date_ahead_seconds=5 * 365 * 86_400),
        Lies(local_ahead_seconds=-86_400),
        Lies(local_ahead_seconds=86_400),
    ],
    ids=repr,
)
@pytest.mark.parametrize("mode", MODES)
def test_a_clock_that_is_far_off_is_a_warning(clock: Lies, mode: str) -> None:
    server = Scenario(Plan(rows=120, seed=1), clock | MODES[mode]).server()
    outcome = read(server, "responses")
    assert fault(server, outcome) is None
    assert outcome.error is None
    assert any("clock" in warning for warning in outcome.warnings)


def test_clocks_that_agree_are_no_warning() -> None:
    assert read(Scenario(Plan(rows=120, seed=1)).server(), "responses").warnings == []


# What honest servers are asked.

TABLES_AND_MODES = pytest.mark.parametrize(
    ("table", "mode"),
    [("end_users", "along updated"), *(("responses", mode) for mode in MODES)],
    ids=["end users", *(f"responses {mode}" for mode in MODES)],
)


@pytest.mark.parametrize("updated_later", [0.0, 0.3], ids=["never updated", "a third updated"])
@pytest.mark.parametrize("count", [0, 1, 25, 49, 50, 51, 500, 1_500, 5_000])
@TABLES_AND_MODES
def test_a_first_load_asks_little(table: str, mode: str, count: int, updated_later: float) -> None:
    server = Scenario(Plan(count, seed=1, updated_later=updated_later), MODES[mode], table).server()
    outcome = read(server, table)
    assert fault(server, outcome) is None
    assert outcome.error is None
    assert outcome.requests <= honest_budget(count)


@pytest.mark.parametrize("count", [5_000, 12_000])
@pytest.mark.slow
@TABLES_AND_MODES
def test_a_first_load_over_four_connections_asks_little(table: str, mode: str, count: int) -> None:
    server = Scenario(Plan(count, seed=1, seconds_apart=300.0), MODES[mode], table).server()
    outcome = read(server, table, connections=4)
    assert fault(server, outcome) is None
    assert outcome.error is None
    assert outcome.requests <= honest_budget(count)


@pytest.mark.parametrize("table", ["end_users", "responses"])
@pytest.mark.parametrize("count", [0, 1, 500, 1_500])
def test_where_nothing_has_changed_two_requests_are_enough(table: str, count: int) -> None:
    server = Scenario(Plan(count, seed=1), table=table).server()
    first = read(server, table)
    server.now += 3_600 * SECOND
    second = read(server, table, state=first.state)
    assert second.error is None
    assert second.requests <= 2


@pytest.mark.parametrize("kind", ["insert", "update", "delete", "insert_late"])
@pytest.mark.parametrize("mode", MODES)
def test_a_list_that_changes_with_each_request_has_an_end(mode: str, kind: Any) -> None:
    server = Scenario(Plan(1_000, seed=1), MODES[mode]).server()
    server.changes = [Change(kind, choice * 1_009) for choice in range(3_000)]
    outcome = read(server, "responses")
    assert fault(server, outcome) is None
    assert outcome.error is None
    assert outcome.requests <= 4 * honest_budget(1_000)


@pytest.mark.parametrize("count", [3, 10, 45, 100])
@pytest.mark.parametrize("mode", MODES)
def test_no_older_version_of_a_row_follows_a_newer_one(mode: str, count: int) -> None:
    for seed in range(20):
        chance = random.Random(seed)
        server = Scenario(Plan(count, seed=seed), MODES[mode]).server()
        kinds: list[Any] = ["update", "update", "insert", "nothing"]
        server.changes = [Change(chance.choice(kinds), chance.randrange(10**6)) for _ in range(200)]
        outcome = read(server, "responses")
        assert (fault(server, outcome), outcome.error) == (None, None)


@pytest.mark.parametrize("table", ["end_users", "responses"])
@pytest.mark.parametrize("changed", [1, 40, 48, 49, 50, 51, 60, 500, 1_500])
def test_what_has_changed_asks_little(table: str, changed: int) -> None:
    server = Scenario(Plan(2_000, seed=1), table=table).server()
    first = read(server, table)
    server.now += 3_600 * SECOND
    server.changes = [Change("update", choice * 1_009) for choice in range(changed)]
    while server.changes:
        server.pass_a_second()
    after = LyingServer(server.rows, table=table, now=server.now + 3_600 * SECOND)
    second = read(after, table, state=first.state)
    updated = {row.id: after.record(row) for row in after.rows.values() if row.version}
    assert updated.items() <= second.rows.items()
    assert second.error is None
    assert second.requests <= honest_budget(len(updated))


class CutOnce(LyingServer):
    """Its first answer lacks a row, and of the newest rows it shows one alone, once."""

    has_cut = False

    def get(self, path: str, params: Any) -> Any:
        page = super().get(path, params)
        if self.requests == 1:
            return [*page[:15], *page[16:]]
        if params["sort_order"] == "desc" and not self.has_cut:
            self.has_cut = True
            return page[:1]
        return page


def test_newest_rows_that_are_fewer_than_were_seen_are_no_proof_of_the_end() -> None:
    # In an order that could be no other one, which proves that of the list: else its rows would be counted.
    first = NOW - 100_000
    rows = [Row(each, (first + each) * SECOND, (first + 60 * (each * 7 % 31)) * SECOND) for each in range(1, 31)]
    server = CutOnce({row.id: row for row in rows}, table="responses")
    outcome = read(server, "responses")
    assert outcome.rows.keys() == set(range(1, 31))
    assert outcome.complete


@pytest.mark.parametrize("seed", [35, 196])
def test_rows_beside_a_tied_second_do_not_move_the_reading_on(seed: int) -> None:
    chance = random.Random(seed)
    tied = [(NOW - 3 * 86_400) * SECOND + chance.randrange(SECOND) for _ in range(72)]
    times = sorted([*tied, *(NOW * SECOND - int(10 ** chance.uniform(3, 8) * SECOND) for _ in range(48))])
    rows = {}
    for row_id, created in enumerate(times, 1):
        later = 0 if chance.random() < 0.5 else int((NOW * SECOND - created) * chance.random() ** 2)
        rows[row_id] = Row(row_id, created, created + later)
    server = LyingServer(rows, Lies(only_created_filter=True, page_rows=25, shown="rounded"), seed=seed)
    assert fault(server, read(server, server.table)) is None


@pytest.mark.parametrize("seed", range(1, 7))
def test_rows_of_later_seconds_do_not_join_the_page_behind_a_tied_one(seed: int) -> None:
    chance, first = random.Random(seed), (NOW - 86_400 - 300 * 3_600) * SECOND
    times = sorted(chance.randrange(first, (NOW - 86_400) * SECOND) for _ in range(300))
    begin = chance.randrange(150)
    times[begin : begin + 150] = [times[begin] // SECOND * SECOND] * 150
    rows = {}
    for row_id, created in enumerate(times, 1):
        updated = created if chance.random() < 0.5 else chance.randint(created, (NOW - 43_200) * SECOND)
        rows[row_id] = Row(row_id, created, updated, f"person{chance.randrange(10**6)}@example.com")
    lies = Lies(created_ignored=True, only_created_filter=True, page_rows=23)
    server = LyingServer(rows, lies, "end_users", seed=seed)
    assert fault(server, read(server, server.table)) is None
