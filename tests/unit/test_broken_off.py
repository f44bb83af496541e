"""Runs that are broken off, whatever the list has answered by then: the next one, of an honest list, lacks no row."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.lying_accounts import KINDS, Plan, Scenario, scenarios
from tests.unit.lying_server import HONEST, NOW, SECOND, Change, Glitch, Lies, LyingServer, Row, TooManyRequests
from tests.unit.reading_harness import Outcome, read
from tests.unit.test_lying_servers import FEW, THOUSANDS

TRUE_TIMES = {name: kind for name, kind in KINDS.items() if name != "local"}
"""A cursor of times that were hours ahead is behind no row."""


def followed(server: LyingServer, first: Outcome) -> tuple[LyingServer, Outcome]:
    """The same list as it really is, an hour later, and the run over it."""
    honest = LyingServer(server.rows, HONEST, server.table, now=server.now + 3_600 * SECOND)
    return honest, read(honest, honest.table, state=first.state)


def missing(server: LyingServer, *outcomes: Outcome) -> list[int]:
    """The rows of which no run has brought the version that they have."""
    loaded = {row["id"]: row["version"] for outcome in outcomes for row in outcome.rows.values()}
    return [row.id for row in server.rows.values() if not row.hidden and loaded.get(row.id) != row.version]


def fault_behind(scenario: Scenario, batches: int) -> str | None:
    """What is wrong behind a first load that was broken off."""
    server = replace(scenario, since=None, until=None).server()
    try:
        first = read(server, server.table, connections=scenario.connections, batches_max=batches)
        honest, second = followed(server, first)
    except TooManyRequests as endless:
        return str(endless)
    lost = missing(honest, first, second)
    return f"LOST with success: rows {lost[:9]}" if second.complete and lost else None


@FEW
@given(scenarios(TRUE_TIMES), st.integers(1, 12))
def test_a_run_behind_one_that_was_broken_off_lacks_no_row(scenario: Scenario, batches: int) -> None:
    assert fault_behind(scenario, batches) is None


@pytest.mark.slow
@THOUSANDS
@given(scenarios(TRUE_TIMES), st.integers(1, 12))
def test_a_run_behind_one_of_thousands_that_were_broken_off_lacks_no_row(scenario: Scenario, batches: int) -> None:
    assert fault_behind(scenario, batches) is None


@pytest.mark.parametrize("at", range(8))
@pytest.mark.parametrize("batches", range(1, 8))
def test_the_cursor_does_not_pass_rows_that_an_answer_has_left_out(at: int, batches: int) -> None:
    plan = Plan(rows=120, seconds_apart=86_400.0, updated_later=0.5, seed=1)
    glitch = Glitch("short", at=at, rows=3, where="anywhere")
    assert fault_behind(Scenario(plan, Lies(glitches=(glitch,)), "end_users"), batches) is None


@pytest.mark.parametrize("at", range(2, 6))
def test_the_cursor_does_not_pass_the_reading_where_an_answer_shows_the_newest_rows(at: int) -> None:
    chance, first = random.Random(40), NOW - 86_400 - 200 * 60
    created = [(first + 60 * min(max(row_id, 50), max(row_id - 100, 50))) * SECOND for row_id in range(1, 201)]
    rows = {
        row_id: Row(row_id, time, time + (chance.randrange(43_200 * SECOND) if chance.random() < 0.5 else 0))
        for row_id, time in enumerate(created, 1)
    }
    for batches in range(1, 12):
        server = LyingServer(dict(rows), Lies(another="newest", another_at=at))
        broken_off = read(server, server.table, batches_max=batches)
        honest, second = followed(server, broken_off)
        assert not second.complete or missing(honest, broken_off, second) == []


@pytest.mark.parametrize("fails_at", range(1, 7))
def test_what_a_shifted_filter_has_left_out_is_not_known(fails_at: int) -> None:
    rows = {row.id: row for row in Plan(rows=5, seconds_apart=86_400.0, updated_later=0.0, seed=1).build()}
    server = LyingServer(rows, changes=[Change("update", 4)])
    server.pass_a_second()
    server.now += 100 * SECOND
    first = read(server, server.table)
    for wait_seconds, change in ((600, Change("insert")), (43_200, Change("update", 1)), (60, Change("update", 0))):
        server.now += wait_seconds * SECOND
        server.changes = [change]
        server.pass_a_second()
    server.now += 60 * SECOND
    shifted = Lies(filter_ahead_seconds=28_800, sorted_by="created", sorted_by_when=frozenset({"updated_at"}))
    server.lies = replace(shifted, fails_at=server.requests + fails_at)
    second = read(server, server.table, state=first.state)
    assert not second.complete
    honest, third = followed(server, second)
    assert third.complete
    assert missing(honest, first, second, third) == []
