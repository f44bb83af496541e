"""On a list that ignores `updated`, no row is staler than its age allows, whatever happens, and reading stays cheap.

The clock is the model's own: years go by in a test.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api_model import ByTurns, Model
from tests.conftest import NOON, row
from wootric_pipeline.errors import IncompleteScan
from wootric_pipeline.reading import history
from wootric_pipeline.reading.history import DEFAULT_PACE, SECONDS_PER_DAY, History, Interval, Pace
from wootric_pipeline.reading.listing import Listing
from wootric_pipeline.reading.progress import Progress, kept_without
from wootric_pipeline.reading.scan import Clocks, Scan
from wootric_pipeline.reading.span import Span
from wootric_pipeline.sandbox import SECOND, Account, Behaviour
from wootric_pipeline.tables import RESPONSES

LOOKBACK_SECONDS = 300
SORTED_BY_UPDATE = Behaviour(ignores_updated=frozenset({"responses"}))
IGNORES_UPDATED = Behaviour(ignores_updated=frozenset({"responses"}), ignores_sort_key=frozenset({"responses"}))
SORTED_BY_CREATION = Behaviour(ignores_sort_key=frozenset({"responses"}))
HONOURS_UPDATED = Behaviour()
FREE_IDS = range(-40, 0)
"""Lower than all others, and soon taken: most of what comes back then was deleted."""
GAPS_SECONDS = (600, 3_600, 86_400, 5 * 86_400, 60 * 86_400)


@dataclass
class Loader:
    """Runs one after the other, as the reader makes them; what was loaded last of each row."""

    model: Model
    pace: Pace = DEFAULT_PACE
    cursor: float | None = None
    history: History | None = None
    loaded: dict[int, int] = field(default_factory=dict)

    def run(self, batches_max: int | None = None, *, has_rows: bool = True) -> bool:
        """One run, which may be broken off after some batches; whether it was complete."""
        span = Span(pace=self.pace, lookback_seconds=LOOKBACK_SECONDS).behind(self.cursor, self.history)
        before, progress, has_ended = self.history, None, batches_max != 0
        self.model.answers.clear()
        try:
            for number, batch in enumerate(islice(self.model.batches(span), batches_max), 1):
                for each in batch.rows:
                    self.loaded[each["id"]] = max(each["version"], self.loaded.get(each["id"], 0))
                progress = batch.progress
                if batch.cursor is not None:
                    self.cursor = max(self.cursor or 0, batch.cursor.timestamp())
                # What would come next is not asked for: it would be noted, and not be loaded.
                has_ended = number != batches_max
        except IncompleteScan:
            # Rows that were deleted meanwhile do not come again, which is said.
            has_ended = False
        self.history = self._kept(progress, before, has_rows, has_ended)
        return has_ended

    @property
    def knows_ids(self) -> bool:
        """Whether all that was read along creation, and nothing by the cursor alone."""
        if self.history is None:
            return False
        return all(each.reading is None or each.ids is not None for each in self.history.intervals[:-1])

    def _kept(
        self, progress: Progress | None, before: History | None, has_rows: bool, has_ended: bool
    ) -> History | None:
        if progress is None:
            return kept_without(before, has_ended=has_ended, rows_answered=sum(map(len, self.model.answers)))
        kept = progress.kept(before, has_rows=has_rows, has_ended=has_ended)
        return None if kept is None else History.of_state(kept.as_state())


class Living(Account):
    """An account in which rows appear later than their times say, under ids that were left out.

    Attributes:
        may_appear: Whether they do.
        appeared: When, by id.
    """

    def __init__(self, *, may_appear: bool = True) -> None:
        super().__init__()
        self.may_appear = may_appear
        self.appeared: dict[int, int] = {}

    def appear(self, rnd: random.Random, now: int) -> None:
        """Lets a row of some age appear, and one that was deleted come back."""
        row_id = rnd.choice(FREE_IDS)
        if self.may_appear and row_id not in self.rows["responses"]:
            self.put("responses", row(row_id, now - int(10 ** rnd.uniform(1, 8))))
            self.appeared[row_id] = now


def late(account: Living, loaded: dict[int, int], now: int, pace: Pace) -> list[dict[str, Any]]:
    """Rows whose last change should have been loaded by a run that began now, and was not."""
    found = []
    for each in account.rows["responses"].values():
        changed, created = each["updated_at"] // SECOND, each["created_at"] // SECOND
        changed = max(changed, account.appeared.get(each["id"], changed))
        is_due = now >= changed + pace.seconds(changed - created)
        if is_due and each["updated_at"] < now * SECOND and loaded.get(each["id"]) != each["updated_at"]:
            found.append(each)
    return found


def happen(rnd: random.Random, account: Living, now: int, spread_seconds: int = 1) -> None:
    """Something that changes an account, up to a moment."""
    rows = account.rows["responses"]
    second = now - rnd.randrange(spread_seconds)
    what = rnd.choice(("new", "burst", "import", "change", "change", "change", "delete", "appear"))
    if what in ("new", "burst"):
        for _ in range(1 if what == "new" else rnd.randrange(120)):
            account.put("responses", row(max(rows, default=0) + 1, second - rnd.randrange(60)))
    elif what == "import":
        created = second - int(10 ** rnd.uniform(3, 8))
        account.put("responses", row(max(rows, default=0) + 1, second, created=created))
    elif what == "appear":
        account.appear(rnd, now)
    elif rows and what == "change":
        account.change("responses", rnd.choice(list(rows)), second * SECOND)
    elif rows:
        account.delete("responses", rnd.choice(list(rows)))


def aged(rnd: random.Random, count: int) -> list[dict[str, Any]]:
    """Rows of all ages, from seconds to years, some changed since."""
    rows = []
    for index, age_seconds in enumerate(sorted((int(10 ** rnd.uniform(1, 8.2)) for _ in range(count)), reverse=True)):
        rows.append(row(index, NOON - rnd.randrange(age_seconds), created=NOON - age_seconds))
    return rows


@pytest.fixture
def _short_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows make many intervals: else most of them are read with the newest page."""
    monkeypatch.setattr(history, "ROWS_OF_A_PAGE", 1)
    monkeypatch.setattr(history, "ROWS_MAX_LEAST", 4)
    monkeypatch.setattr(history, "ROWS_BETWEEN", 1)


@pytest.mark.slow
@pytest.mark.usefixtures("_short_intervals")
@settings(
    derandomize=True,
    max_examples=300,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
@given(
    # Not hypothesis' own chances, which prefer small numbers: then little of an account is old.
    seed=st.integers(0, 2**32),
    count=st.integers(0, 300),
    runs=st.lists(
        st.tuples(
            st.one_of(st.sampled_from(GAPS_SECONDS), st.integers(60, 10 * SECONDS_PER_DAY)),
            st.sampled_from([IGNORES_UPDATED] * 6 + [HONOURS_UPDATED, SORTED_BY_CREATION, SORTED_BY_UPDATE]),
            st.sampled_from([None, None, None, 0, 1, 2, 5]),
        ),
        min_size=3,
        max_size=25,
    ),
)
def test_no_row_is_staler_than_its_age_allows(
    seed: int, count: int, runs: list[tuple[int, Behaviour, int | None]]
) -> None:
    # A list that honours `updated` does not show them to whoever asks for what has changed.
    is_ignored = all(each in (IGNORES_UPDATED, SORTED_BY_UPDATE) for _, each, _ in runs)
    rnd, account = random.Random(seed), Living(may_appear=False)
    account.fill("responses", aged(rnd, count))
    model = Model(account)
    loader = Loader(model)
    for gap_seconds, behaviour, batches_max in runs:
        account.may_appear = is_ignored and loader.knows_ids
        # Changes come at any time since the last run, most of them just behind it.
        moments = sorted(model.now + int(gap_seconds * rnd.random() ** 3) for _ in range(rnd.randrange(12)))
        for moment in moments:
            happen(rnd, account, moment)
        model.behaviour, model.now = behaviour, model.now + gap_seconds
        model.changes = [lambda _, now: happen(rnd, account, now)] * rnd.randrange(3)
        began = model.now
        if loader.run(batches_max):
            assert late(account, loader.loaded, began, loader.pace) == []
    model.behaviour, model.changes = IGNORES_UPDATED, []
    model.now += 30 * SECONDS_PER_DAY
    assert loader.run()
    rows = account.rows["responses"]
    assert {row_id: loader.loaded.get(row_id) for row_id in rows} == {
        row_id: each["updated_at"] for row_id, each in rows.items()
    }


@pytest.mark.parametrize("count", [1, 49, 400])
def test_changes_come_first_where_the_list_can_be_sorted_by_them(count: int) -> None:
    model = Model(steady(400, 10), behaviour=SORTED_BY_UPDATE)
    loader = Loader(model)
    assert loader.run()
    for index in range(count):
        model.account.change("responses", 7 * index, (NOON + 10 + index) * SECOND)
    model.now, before = NOON + 1_000, len(model.queries)
    assert loader.run()
    assert loader.loaded == {each["id"]: each["updated_at"] for each in model.account.rows["responses"].values()}
    assert len(model.queries) - before <= count // 40 + 12


def test_more_changes_than_a_query_reaches_are_found_in_time() -> None:
    model = Model(steady(400, 10), behaviour=SORTED_BY_UPDATE)
    loader = Loader(model)
    assert loader.run()
    for index in range(3_000):
        model.account.change("responses", index, (NOON + 10 + index // 10) * SECOND)
    model.now = NOON + 1_000
    assert loader.run()
    model.now += 30 * SECONDS_PER_DAY
    assert loader.run()
    assert loader.loaded == {each["id"]: each["updated_at"] for each in model.account.rows["responses"].values()}


@pytest.mark.parametrize("row_id", [5_000, -1])
@pytest.mark.parametrize("deleted", [(), (501,), range(400, 600)], ids=len)
def test_rows_that_appear_with_old_times_are_found(row_id: int, deleted: Sequence[int]) -> None:
    model = Model(steady(100, 10), behaviour=IGNORES_UPDATED)
    loader = Loader(model)
    assert loader.run()
    for each in deleted:
        model.account.delete("responses", each)
    model.account.put("responses", row(row_id, NOON - 50 * SECONDS_PER_DAY))
    model.now = NOON + 5 * SECONDS_PER_DAY
    assert loader.run()
    assert row_id in loader.loaded


def test_a_row_created_behind_a_reading_is_new_whenever_it_was_updated() -> None:
    model = Model(steady(100, 10), behaviour=IGNORES_UPDATED)
    loader = Loader(model)
    assert loader.run()
    model.account.put("responses", row(5_000, NOON - SECONDS_PER_DAY, created=NOON + 60))
    model.now = NOON + 3_600
    assert loader.run()
    assert 5_000 in loader.loaded


@pytest.mark.parametrize("batches_max", [1, 40, 50, 65])
def test_a_reading_that_is_broken_off_leaves_each_part_with_what_was_known_of_it(batches_max: int) -> None:
    model = Model(steady(400, 10), behaviour=IGNORES_UPDATED)
    loader = Loader(model)
    assert loader.run()
    begins = {each.since for each in loader.history.intervals} if loader.history else set()
    model.now = NOON + 60 * SECONDS_PER_DAY
    assert not loader.run(batches_max)
    assert loader.knows_ids
    assert loader.history is not None
    readings = [each.reading.began for each in loader.history.intervals if each.reading is not None]
    old = [each for each, began in zip(loader.history.intervals, readings, strict=True) if began != max(readings)]
    assert {each.since for each in old} <= begins
    loader.loaded.clear()
    assert loader.run()
    assert set(loader.loaded) <= {3_999}


def test_rows_read_again_that_are_as_they_were_are_not_loaded_again() -> None:
    model = Model(steady(100, 10), behaviour=IGNORES_UPDATED)
    loader = Loader(model)
    for days in (0, 3, 10, 40, 41, 100):
        model.now = NOON + days * SECONDS_PER_DAY
        model.account.put("responses", row(2_000 + days, model.now - 60))
        loader.loaded.clear()
        assert loader.run()
        # The newest ones come again, for the lookback.
        assert days == 0 or (2_000 + days in loader.loaded and min(loader.loaded) >= 2_000)


class StoppedClock(Model):
    """A service whose clock stands still, as its `Date` header has it."""

    def scan(self, started_at: int | None = None) -> Scan:
        """A scan of the list."""
        now = self.now if started_at is None else started_at
        return Scan(Listing(RESPONSES, self.fetch), ByTurns(None), lambda: Clocks(NOON, now))


def test_a_clock_that_stands_still_lets_no_row_grow_stale() -> None:
    account = steady(100, 10)
    model = StoppedClock(account, behaviour=IGNORES_UPDATED)
    loader = Loader(model)
    assert loader.run()
    for day in range(1, 12):
        account.change("responses", 5 * day, (NOON + day * SECONDS_PER_DAY) * SECOND)
        model.now = NOON + (10 * day + 11) * SECONDS_PER_DAY
        assert loader.run()
    assert late(account, loader.loaded, model.now, loader.pace) == []


def steady(days: int, rows_a_day: int, ends_at: int = NOON) -> Living:
    """An account with as many responses each day."""
    account, apart = Living(), SECONDS_PER_DAY // rows_a_day
    count = days * rows_a_day
    account.fill("responses", (row(index, ends_at - (count - index) * apart) for index in range(count)))
    return account


@pytest.mark.slow
def test_hourly_runs_are_cheap_and_even_from_the_first_load_on() -> None:
    model = Model(steady(400, 50), behaviour=IGNORES_UPDATED)
    loader = Loader(model)
    assert loader.run()
    assert len(loader.loaded) == 400 * 50
    requests, sizes = [], []
    for hour in range(40 * 24):
        model.now = NOON + 3_600 * (hour + 1)
        before = len(model.queries)
        for each in range(2):
            model.account.put("responses", row(20_000 + 2 * hour + each, model.now - 600 * each - 1))
        assert loader.run()
        requests.append(len(model.queries) - before)
        assert loader.history is not None
        sizes.append(len(loader.history.intervals))
        model.queries.clear()
        model.answers.clear()
    mean = sum(requests) / len(requests)
    # To read all in each run would take 400 requests.
    assert mean < 16
    assert max(requests) <= 3 * mean
    assert max(sizes) < 300


@pytest.mark.parametrize("behaviour", [HONOURS_UPDATED, SORTED_BY_CREATION])
def test_where_updated_is_honoured_the_cursor_says_it_all(behaviour: Behaviour) -> None:
    loader = Loader(Model(steady(10, 50), behaviour=behaviour))
    assert loader.run()
    assert loader.history is None


def test_changes_of_the_newest_part_are_found_where_a_list_honours_updated_of_late() -> None:
    account = steady(400, 10)
    model = Model(account, behaviour=IGNORES_UPDATED)
    loader = Loader(model)
    assert loader.run()
    model.now += 3_600
    assert loader.run()
    assert loader.history is not None
    assert len(loader.history.groups()) > 1
    account.change("responses", 3_999, (model.now + 600) * SECOND)
    account.change("responses", 3_998, (model.now + 700) * SECOND)
    model.behaviour, model.now = SORTED_BY_CREATION, model.now + 3_600
    assert loader.run()
    assert late(account, loader.loaded, model.now + 30 * SECONDS_PER_DAY, loader.pace) == []


def test_a_reading_of_all_is_noted_although_nothing_has_changed() -> None:
    model = Model(steady(100, 10), behaviour=IGNORES_UPDATED)
    loader = Loader(model)
    assert loader.run()
    model.now += 60 * SECONDS_PER_DAY
    assert loader.run(has_rows=False)
    model.queries.clear()
    model.now += 60
    assert loader.run(has_rows=False)
    assert len(model.queries) < 8


def test_an_empty_answer_does_not_show_that_a_list_honours_updated() -> None:
    model = Model(steady(200, 5), behaviour=IGNORES_UPDATED)
    loader = Loader(model)
    assert loader.run()
    shown, model.account = model.account, Account()
    model.now += 3_600
    assert loader.run()
    model.account = shown
    shown.put("responses", row(5_000, NOON - 100 * SECONDS_PER_DAY))
    model.now += 31 * SECONDS_PER_DAY
    assert loader.run()
    assert 5_000 in loader.loaded


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"readings": [], "intervals": []},
        {"readings": [], "intervals": [[None, 0, 3]]},
        {"readings": None, "intervals": None},
        {"readings": [[1]], "intervals": [[None]]},
        {"readings": [["x", 1.0, 1]], "intervals": [[None, 0, 3]]},
        {"readings": [[1, 1.0]], "intervals": [[9, 0, 3, 1], [5, 0, 3, 1]]},
        {"readings": [[1, 1.0]], "intervals": [[None, 0, 3, 1]], "changes": "x"},
    ],
    ids=str,
)
def test_a_state_that_cannot_be_read_says_that_nothing_was(state: dict[str, Any]) -> None:
    assert History.of_state(state) == History((Interval(None),))


def test_no_staleness_reads_all_history_in_each_run() -> None:
    model = Model(steady(100, 10), behaviour=IGNORES_UPDATED)
    loader = Loader(model, Pace(0.0))
    assert loader.run()
    model.account.change("responses", 3, (NOON + 5) * SECOND)
    model.now = NOON + 10
    assert loader.run()
    assert loader.loaded[3] == (NOON + 5) * SECOND
