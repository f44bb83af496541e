"""Honest lists of which rows go, or all move, while they are read: no reading fails for that."""

from typing import Literal

import pytest

from tests.unit.lying_server import NOW, SECOND, Change, Lies, LyingServer, Row
from tests.unit.reading_harness import read

DAY_SECONDS = 86_400


class Sudden(LyingServer):
    """A list of which something happens to some rows before one request, counted from 0."""

    at = -1
    choices: tuple[int, ...] = ()
    kind: Literal["update", "delete"] = "update"

    def pass_a_second(self) -> None:
        if self.requests == self.at + 1:
            for choice in self.choices:
                self.changes = [Change(self.kind, choice)]
                super().pass_a_second()
        super().pass_a_second()


def server_of(count: int, lies: Lies) -> Sudden:
    times = [(NOW - DAY_SECONDS * (count + 1 - number)) * SECOND for number in range(1, count + 1)]
    return Sudden({number: Row(number, time, time) for number, time in enumerate(times, 1)}, lies)


def faults(count: int, kind: Literal["update", "delete"], choices: tuple[int, ...], lies: Lies, *, again: bool) -> str:
    """What goes wrong where something happens before one of the requests; each in turn."""
    for at in range(12):
        server = server_of(count, lies)
        state = read(server, server.table).state if again else None
        server.now += 3_600 * SECOND * again
        server.kind, server.choices, server.at = kind, choices, server.requests + at
        outcome = read(server, server.table, state=state)
        if outcome.error is not None:
            return f"{at}: {outcome.error}"
        if not again and set(server.rows) - set(outcome.rows):
            return f"{at}: LOST {set(server.rows) - set(outcome.rows)}"
    return ""


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("updated_ignored", [False, True])
@pytest.mark.parametrize("count", [3, 10, 60, 120])
def test_the_newest_row_may_go_at_any_time(count: int, updated_ignored: bool, again: bool) -> None:
    assert faults(count, "delete", (count - 1,), Lies(updated_ignored=updated_ignored), again=again) == ""


@pytest.mark.parametrize("updated_ignored", [False, True])
@pytest.mark.parametrize("count", [2, 60, 120])
def test_all_rows_may_change_at_any_time_of_a_first_load(count: int, updated_ignored: bool) -> None:
    assert faults(count, "update", tuple(range(count)), Lies(updated_ignored=updated_ignored), again=False) == ""


@pytest.mark.parametrize("kind", ["update", "delete"])
@pytest.mark.parametrize("updated_ignored", [False, True])
def test_the_oldest_rows_may_go_at_any_time_of_a_first_load(
    kind: Literal["update", "delete"], updated_ignored: bool
) -> None:
    choices = tuple(range(50)) if kind == "update" else (0,) * 50
    assert faults(120, kind, choices, Lies(updated_ignored=updated_ignored), again=False) == ""
