"""Servers that lie while parts of a list are read again, because of the age of their rows."""

import random
from collections.abc import Container
from dataclasses import replace
from math import ceil
from typing import Any, Literal

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from tests.unit.lying_accounts import KINDS, Plan, Scenario, scenarios
from tests.unit.lying_server import SECOND, Change, Lies, LyingServer, Params, Refused, TooManyRequests
from tests.unit.reading_harness import Outcome, State, read
from tests.unit.test_lying_servers import FEW, THOUSANDS
from wootric_pipeline.reading.history import SECONDS_PER_DAY, History, Interval, Reading

UNFILTERED = Lies(updated_ignored=True)
LONG_AGO_SECONDS = 40 * SECONDS_PER_DAY


def in_parts(server: LyingServer, history: History, chance: random.Random) -> tuple[History, set[int]]:
    """The history in parts, of which some are due and some are not; the ids of rows in those that are."""
    last = history.intervals[-1].reading
    assert last is not None
    seconds = sorted({int(server.record(row)["created_at"].timestamp()) for row in server.rows.values()})
    cuts = sorted(chance.sample(seconds, min(len(seconds), chance.randrange(8))))
    readings = [chance.choice((last, Reading(last.began - LONG_AGO_SECONDS, last.newest))) for _ in cuts]
    rows = len(seconds)
    parts = [Interval(since, reading, rows) for since, reading in zip([None, *cuts], [*readings, last], strict=True)]
    due = set()
    for row in server.rows.values():
        created = int(server.record(row)["created_at"].timestamp())
        part = [each for each in parts if each.since is None or each.since <= created][-1]
        if part is parts[-1] or part.reading != last:
            due.add(row.id)
    return History(tuple(parts)), due


def fault_of_rereading(scenario: Scenario, seed: int) -> str | None:
    """What is wrong with the run after the one that has read all."""
    chance = random.Random(seed)
    server = replace(scenario, lies=scenario.lies | UNFILTERED, since=None, until=None).server()
    try:
        first = read(server, server.table)
        if not first.complete or first.state.history is None or first.state.history.newest is None:
            return None
        history, due = in_parts(server, first.state.history, chance)
        server.requests_max *= 3
        server.now += 3_600 * SECOND
        ids = sorted(server.rows)
        changed = [row_id for row_id in ids if row_id in due and chance.random() < 0.2]
        for row_id in changed:
            server.changes = [Change("update", ids.index(row_id))]
            server.pass_a_second()
        server.now += 60 * SECOND
        second = read(server, server.table, state=State(first.state.cursor, history))
    except TooManyRequests as endless:
        return str(endless)
    event("complete" if second.complete else "reported")
    return _lost(server, changed, first, second) if second.complete else None


def _lost(server: LyingServer, changed: list[int], first: Outcome, second: Outcome) -> str | None:
    for row_id in changed:
        row = server.rows[row_id]
        if row.hidden or row_id not in first.rows:
            continue
        if second.rows.get(row_id, {}).get("version") != row.version:
            return f"LOST with success: version {row.version} of row {row_id}, of {len(changed)} that have changed"
    return None


def changed_after(
    first: Outcome, server: LyingServer, changes: list[Change], *, meanwhile: int = 0, at_once: bool = False
) -> Outcome:
    """The next run, an hour after the first one, and after some changes, one a second; others happen meanwhile."""
    assert first.complete
    server.now += 3_600 * SECOND
    for change in changes:
        server.changes = [change]
        server.pass_a_second()
        server.now -= SECOND if at_once else 0
    server.changes = [Change("update", choice) for choice in range(300, 300 + meanwhile)]
    return read(server, server.table, state=first.state)


@FEW
@given(scenarios(KINDS), st.integers(0, 2**32))
def test_what_has_changed_in_parts_that_are_read_again_is_found(scenario: Scenario, seed: int) -> None:
    assert fault_of_rereading(scenario, seed) is None


@pytest.mark.slow
@THOUSANDS
@given(scenarios(KINDS), st.integers(0, 2**32))
def test_what_has_changed_is_found_behind_thousands_of_servers_that_lie(scenario: Scenario, seed: int) -> None:
    assert fault_of_rereading(scenario, seed) is None


@pytest.mark.parametrize("refused", ["updated", "sort_key=updated_at"])
@pytest.mark.parametrize("table", ["responses", "declines"])
def test_a_list_that_refuses_the_filter_or_the_order_shows_changes_as_one_that_ignores_it(
    refused: str, table: str
) -> None:
    rows = {row.id: row for row in Plan(rows=600, seconds_apart=86_400.0, seed=1).build()}
    server = LyingServer(rows, Lies(refuses=frozenset({refused})), table)
    first = read(server, table)
    changed = [sorted(server.rows)[index] for index in (3, 200, 500)]
    second = changed_after(first, server, [Change("update", index) for index in (3, 200, 500)])
    assert second.complete
    assert _lost(server, changed, first, second) is None


class Busy(LyingServer):
    """A list of which many rows change with every fourth request."""

    def pass_a_second(self) -> None:
        for _ in range(12 if self.requests % 4 == 0 and len(self.changes) > 1 else 1):
            super().pass_a_second()


@pytest.mark.parametrize(("page_rows", "changes"), [(50, 1_400), (25, 700), (10, 250)])
def test_no_change_is_late_that_a_list_shows_as_one_of_its_newest(page_rows: int, changes: int) -> None:
    rows = {row.id: row for row in Plan(rows=2_000, seconds_apart=86_400.0, seed=1).build()}
    server = LyingServer(rows, Lies(updated_ignored=True, page_rows=page_rows))
    first = read(server, "responses")
    changed = random.Random(1).sample(sorted(server.rows), changes)
    second = changed_after(first, server, [Change("update", row_id - 1) for row_id in changed])
    assert second.complete
    assert _lost(server, changed, first, second) is None


@pytest.mark.parametrize("refused", [(), ("updated",)])
@pytest.mark.parametrize("page_rows", [50, 25])
def test_no_change_is_late_that_came_before_pages_of_new_rows(page_rows: int, refused: tuple[str, ...]) -> None:
    rows = {row.id: row for row in Plan(rows=600, seconds_apart=86_400.0, seed=1).build()}
    lies = Lies(updated_ignored=True, refuses=frozenset(refused), per_page_refused_above=page_rows)
    server = LyingServer(rows, lies)
    first = read(server, "responses")
    changed = sorted(server.rows)[100:300:10]
    changes = [Change("update", row_id - 1) for row_id in changed]
    second = changed_after(first, server, [*changes, *[Change("insert")] * 130])
    assert second.complete
    assert _lost(server, changed, first, second) is None
    assert len(second.rows) >= len(changed) + 130


def test_no_change_is_late_where_rows_change_faster_than_pages_come() -> None:
    rows = {row.id: row for row in Plan(rows=600, seconds_apart=86_400.0, seed=1).build()}
    server = Busy(rows, Lies(updated_ignored=True, page_rows=7))
    first = read(server, "responses")
    changed = sorted(server.rows)[100:300:5]
    second = changed_after(first, server, [Change("update", row_id - 1) for row_id in changed], meanwhile=100)
    assert second.complete
    assert _lost(server, changed, first, second) is None


@pytest.mark.parametrize("changes", [60, 100, 300])
def test_no_change_is_late_of_a_second_that_is_ordered_anew_with_each_answer(changes: int) -> None:
    rows = {row.id: row for row in Plan(rows=600, seconds_apart=86_400.0, seed=1).build()}
    server = LyingServer(rows, Lies(updated_ignored=True, ties_anew=True))
    first = read(server, "responses")
    changed = random.Random(1).sample(sorted(server.rows), changes)
    second = changed_after(first, server, [Change("update", row_id - 1) for row_id in changed], at_once=True)
    assert second.complete
    assert _lost(server, changed, first, second) is None
    assert second.requests < changes


@pytest.mark.parametrize("offset_more", [1, 2, 5, 30])
def test_no_change_is_late_where_page_numbers_are_off(offset_more: int) -> None:
    rows = {row.id: row for row in Plan(rows=600, seconds_apart=86_400.0, seed=1).build()}
    server = LyingServer(rows, Lies(updated_ignored=True, offset_more=offset_more))
    first = read(server, "responses")
    changed = sorted(server.rows)[100:580:2]
    second = changed_after(first, server, [Change("update", row_id - 1) for row_id in changed])
    assert second.complete
    assert _lost(server, changed, first, second) is None


@pytest.mark.parametrize("others", [["update"], ["delete", "insert", "insert_old"]])
@pytest.mark.parametrize("seed", range(20))
def test_no_older_version_follows_a_newer_one_of_a_list_that_changes_with_each_request(
    others: list[Literal["update", "delete", "insert", "insert_old"]], seed: int
) -> None:
    chance = random.Random(seed)
    plan = Plan(rows=chance.choice([20, 50, 99]), seconds_apart=chance.choice([0.5, 60.0, 3_600.0]), seed=seed)
    server = LyingServer({row.id: row for row in plan.build()}, UNFILTERED)
    first = read(server, "responses")
    server.now += 3_600 * SECOND
    server.changes = [Change(chance.choice(["update", *others]), chance.randrange(1_000)) for _ in range(60)]
    second = read(server, "responses", state=first.state)
    for row_id in second.rows.keys() & first.rows.keys():
        assert second.rows[row_id]["version"] >= first.rows[row_id]["version"]
    assert second.complete


@pytest.mark.parametrize("rows", [1, 2, 30, 49])
def test_a_list_all_of_which_has_changed_takes_no_more_requests(rows: int) -> None:
    server = LyingServer({row.id: row for row in Plan(rows=rows, seconds_apart=86_400.0, seed=1).build()})
    first = read(server, "responses")
    second = changed_after(first, server, [Change("update", each) for each in range(rows)])
    assert len(second.rows) == rows
    assert second.requests <= 1.04 * ceil(rows / 50) + 4


def test_no_change_is_late_that_came_before_a_run_to_which_the_order_was_refused() -> None:
    rows = {row.id: row for row in Plan(rows=600, seconds_apart=86_400.0, seed=1).build()}
    server = LyingServer(rows, UNFILTERED)
    first = read(server, "responses")
    server.lies = UNFILTERED | Lies(refuses=frozenset({"sort_key=updated_at"}))
    changed = sorted(server.rows)[100:130]
    missed = changed_after(first, server, [Change("update", row_id - 1) for row_id in changed])
    missed = changed_after(missed, server, [Change("update", 598), Change("update", 599)])
    assert not missed.rows.keys() & set(changed)
    server.lies = UNFILTERED
    third = changed_after(missed, server, [])
    assert third.complete
    assert _lost(server, changed, first, third) is None


class RefusedHalfWay(LyingServer):
    """A list that refuses the order of changes from some request on."""

    refuses_from = 1_000_000

    def get(self, path: str, params: Params) -> list[dict[str, Any]]:
        if self.requests >= self.refuses_from:
            self.lies = self.lies | Lies(refuses=frozenset({"sort_key=updated_at"}))
        return super().get(path, params)


@pytest.mark.parametrize("requests", range(5))
def test_no_change_is_late_that_came_before_a_run_to_which_the_order_was_refused_half_way(requests: int) -> None:
    rows = {row.id: row for row in Plan(rows=600, seconds_apart=86_400.0, seed=1).build()}
    server = RefusedHalfWay(rows, UNFILTERED)
    first = read(server, "responses")
    server.refuses_from = server.requests + requests
    changed = sorted(server.rows)[100:220]
    # So that they are more than the lookback apart.
    changes = [each for row_id in changed for each in (Change("update", row_id - 1), *[Change()] * 5)]
    second = changed_after(first, server, changes)
    server.refuses_from, server.lies = 1_000_000, UNFILTERED
    third = changed_after(second, server, [])
    assert third.complete
    assert _lost(server, [row_id for row_id in changed if row_id not in second.rows], first, third) is None


class EmptyOnce(LyingServer):
    """A list of whose newest changes one answer is empty by mistake."""

    left = -1

    def get(self, path: str, params: Params) -> list[dict[str, Any]]:
        page = super().get(path, params)
        is_of_changes = params.get("sort_order") == "desc" and params.get("sort_key") == "updated_at"
        self.left -= is_of_changes
        return [] if is_of_changes and self.left == 0 else page


@pytest.mark.parametrize("refused", [(), ("updated",)])
@pytest.mark.parametrize("number", [1, 2, 3, 6])
def test_no_change_is_late_where_an_answer_is_empty_by_mistake(number: int, refused: tuple[str, ...]) -> None:
    rows = {row.id: row for row in Plan(rows=800, seconds_apart=86_400.0, seed=1).build()}
    server = EmptyOnce(rows, Lies(updated_ignored=True, refuses=frozenset(refused)))
    first = read(server, "responses")
    changed = sorted(server.rows)[100:580:2]
    server.left = number
    second = changed_after(first, server, [Change("update", row_id - 1) for row_id in changed])
    assert second.complete
    assert _lost(server, changed, first, second) is None


def test_no_older_version_of_the_probe_follows_a_newer_one() -> None:
    rows = {row.id: row for row in Plan(rows=3, seconds_apart=86_400.0, seed=1).build()}
    server = EmptyOnce(rows, Lies(refuses=frozenset({"updated"})))
    first = read(server, "responses")
    server.left = 1
    server.changes = [Change("update", 0)] * 20
    second = read(server, "responses", state=first.state)
    assert second.complete
    assert second.rows[1]["version"] > 1


class RefusesByChance(LyingServer):
    """A list that refuses some requests, counted from 0, whatever they ask for."""

    at: Container[int] = ()

    def get(self, path: str, params: Params) -> list[dict[str, Any]]:
        if self.requests in self.at:
            self.requests += 1
            raise Refused(400, "by chance")
        return super().get(path, params)


@pytest.mark.parametrize("table", ["responses", "end_users"])
@pytest.mark.parametrize("updated_ignored", [False, True])
def test_a_query_that_is_refused_by_chance_is_not_left_out(table: str, updated_ignored: bool) -> None:
    for at in range(20):
        rows = {row.id: row for row in Plan(rows=600, seconds_apart=86_400.0, seed=1).build()}
        server = RefusesByChance(rows, Lies(updated_ignored=updated_ignored), table)
        server.at = [at]
        first = read(server, table)
        assert first.complete
        assert set(first.rows) == set(rows)
        assert first.requests <= 1.04 * ceil(len(rows) / 50) + 4 + 1


@pytest.mark.parametrize("table", ["responses", "end_users"])
@pytest.mark.parametrize(("count", "page_rows"), [(1_250, 25), (49, 10)])
def test_no_row_is_missing_where_the_probe_was_refused_and_pages_have_no_numbers(
    table: str, count: int, page_rows: int
) -> None:
    plan = Plan(rows=count, seconds_apart=3_600.0, seed=3, updated_later=0.5)
    rows = {row.id: row for row in plan.build()}
    server = RefusesByChance(rows, Lies(updated_ignored=True, page_last=1, page_rows=page_rows), table)
    server.at = (1, 2)
    first = read(server, table)
    assert not first.complete or set(first.rows) == set(rows)


@pytest.mark.parametrize("another", ["before", "newest"])
def test_an_answer_that_belongs_to_another_query_hides_no_change(another: Literal["before", "newest"]) -> None:
    for at in range(3, 8):
        rows = {row.id: row for row in Plan(rows=600, seconds_apart=86_400.0, seed=1).build()}
        server = LyingServer(rows, Lies(updated_ignored=True, sorted_by="created"))
        first = read(server, "responses")
        assert first.state.history is not None
        history, due = in_parts(server, first.state.history, random.Random(1))
        changed = [row_id for row_id in sorted(server.rows) if row_id in due and row_id % 3 == 0]
        server.lies = replace(server.lies, another=another, another_at=server.requests + at)
        state = State(first.state.cursor, history)
        second = changed_after(replace(first, state=state), server, [Change("update", each - 1) for each in changed])
        assert not second.complete or _lost(server, changed, first, second) is None
