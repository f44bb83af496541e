"""Weeks of runs over a list that ignores `updated`: the sandbox's clock and the loader's are moved together."""

import random
import time
from collections.abc import Callable

import pytest
from dlt import Pipeline

from tests.conftest import NOON, access, row
from tests.tables import loaded
from tests.unit.test_staleness import Living, happen, late
from wootric_pipeline.api.clock import Clock
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.reading.history import DEFAULT_PACE, SECONDS_PER_DAY
from wootric_pipeline.sandbox import SECOND, Refused, Sandbox

GAPS_SECONDS = (3_600, 3_600, 6 * 3_600, SECONDS_PER_DAY, 3 * SECONDS_PER_DAY)
ROWS = 400
SECONDS_AHEAD = 10
"""Of the last change, when a run begins."""


def old_account(rnd: random.Random) -> Living:
    """An account whose responses are seconds to years old."""
    account = Living()
    ages = sorted((int(10 ** rnd.uniform(3, 8.1)) for _ in range(ROWS)), reverse=True)
    account.fill("responses", [row(index, NOON - age, text="as it was") for index, age in enumerate(ages)])
    return account


class Weeks:
    """An account that lives on, and is loaded from time to time.

    Args:
        sandbox: Serves it.
        open_pipeline: Opens the pipeline of each run.
        patch: Moves the loader's clock.
    """

    def __init__(self, sandbox: Sandbox, open_pipeline: Callable[[], Pipeline], patch: pytest.MonkeyPatch) -> None:
        self._sandbox = sandbox
        self._open = open_pipeline
        self.now = NOON
        patch.setattr(Clock, "now", lambda _clock: time.time() + sandbox.behaviour.clock_ahead_seconds)

    def run(self, after_seconds: int) -> Run:
        """One run, so long after the last one."""
        self.now += after_seconds
        self._sandbox.behaviour.clock_ahead_seconds = self.now + SECONDS_AHEAD - time.time()
        notes = Run(isolates_tables=True)
        load(self._open(), source_for(notes, **access(self._sandbox)), notes, ["responses"])
        return notes

    def held(self) -> dict[int, int]:
        """What is loaded: the second in which each row was updated."""
        return {
            row_id: int(each["updated_at"].timestamp()) for row_id, each in loaded(self._open(), "responses").items()
        }


def live(account: Living, sandbox: Sandbox, open_pipeline: Callable[[], Pipeline], patch: pytest.MonkeyPatch) -> None:
    """Some weeks; no row is ever staler than its age allows, and in the end the tables are equal."""
    rnd = random.Random(5)
    weeks = Weeks(sandbox, open_pipeline, patch)
    assert weeks.run(0).table("responses").complete
    rows = account.rows["responses"]
    for number in range(12):
        gap_seconds = rnd.choice(GAPS_SECONDS)
        for _ in range(3):
            happen(rnd, account, weeks.now + rnd.randrange(gap_seconds))
        if number % 4 == 2:
            _break_off(sandbox, rnd.randrange(2, 6))
        notes = weeks.run(gap_seconds).table("responses")
        sandbox.behaviour.before_answer = None
        if notes.complete:
            held = weeks.held()
            loaded_by_now = {
                row_id: each["updated_at"] for row_id, each in rows.items() if held.get(row_id) == _second(each)
            }
            assert late(account, loaded_by_now, weeks.now, DEFAULT_PACE) == []
            assert notes.read_up_to is not None
    assert weeks.run(30 * SECONDS_PER_DAY).table("responses").complete
    held_in_the_end = weeks.held()
    assert {row_id: held_in_the_end.get(row_id) for row_id in rows} == {
        row_id: _second(each) for row_id, each in rows.items()
    }


def _second(each: dict[str, int]) -> int:
    return each["updated_at"] // SECOND


def _break_off(sandbox: Sandbox, requests: int) -> None:
    begun = len(sandbox.requests)

    def refuse(_table: str) -> None:
        if len(sandbox.requests) - begun > requests:
            raise Refused(400, "bad request")

    sandbox.behaviour.before_answer = refuse
