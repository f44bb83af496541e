"""What a reading has seen of a list counts as all of it only where that is all that was loaded before."""

import random

import pytest

from tests.api_model import Model
from tests.conftest import NOON, row
from tests.unit.test_staleness import HONOURS_UPDATED, IGNORES_UPDATED, SORTED_BY_CREATION, Loader, steady
from wootric_pipeline.insight.gone import HIDDEN_SECONDS, compared, kept_of, leave_out_known
from wootric_pipeline.insight.ids import Held
from wootric_pipeline.reading.history import SECONDS_PER_DAY, Pace
from wootric_pipeline.reading.progress import WholeList
from wootric_pipeline.reading.span import Span
from wootric_pipeline.sandbox import Behaviour

HOUR = 3_600
ALL_EACH_TIME = Pace(share=0)
LOOKBACK_SECONDS = 300


def listed(loader: Loader, created_since: int | None = None) -> WholeList | None:
    """What the next run has seen of the whole list; nothing of it is kept."""
    span = Span(created_since=created_since, pace=loader.pace, lookback_seconds=LOOKBACK_SECONDS)
    batches = loader.model.batches(span.behind(loader.cursor, loader.history))
    found = [batch.progress for batch in batches if batch.progress]
    return found[-1].listed if found else None


def loaded(behaviour: Behaviour = IGNORES_UPDATED, pace: Pace = ALL_EACH_TIME, days: int = 100) -> Loader:
    loader = Loader(Model(steady(days, 10), behaviour=behaviour), pace)
    assert loader.run()
    loader.model.now = NOON + HOUR
    return loader


def test_all_ids_are_noted_where_all_is_read_again() -> None:
    loader = loaded()
    account = loader.model.account
    account.delete("responses", 500)
    account.put("responses", row(5_000, NOON + HOUR - 60))
    found = listed(loader)
    assert found is not None
    assert (sorted(found.ids), found.since, found.began) == (sorted(account.rows["responses"]), None, NOON + HOUR)
    assert found.ids.itemsize == 8


def test_parts_that_are_read_at_once_are_noted_all() -> None:
    loader = loaded()
    loader.model.order = random.Random(1)
    found = listed(loader)
    assert found is not None
    assert set(found.ids) == set(loader.model.account.rows["responses"])


def test_a_list_that_was_known_by_its_cursor_alone_is_noted_as_well() -> None:
    loader = loaded(HONOURS_UPDATED)
    assert loader.history is None
    assert listed(loader) is None
    loader.model.behaviour = IGNORES_UPDATED
    found = listed(loader)
    assert found is not None
    assert set(found.ids) == set(loader.model.account.rows["responses"])


def test_a_first_load_notes_nothing() -> None:
    loader = Loader(Model(steady(100, 10), behaviour=IGNORES_UPDATED), ALL_EACH_TIME)
    assert listed(loader) is None
    # Nor does one that goes on behind what it was broken off at.
    assert not loader.run(10)
    assert loader.history is not None
    assert listed(loader) is None


def test_parts_of_a_list_are_not_all_of_it() -> None:
    assert listed(loaded(pace=Pace())) is None
    few = loaded(pace=Pace(), days=4)
    assert len(few.history.intervals if few.history else ()) == 1
    assert listed(few) is not None


@pytest.mark.parametrize("behaviour", [HONOURS_UPDATED, SORTED_BY_CREATION])
def test_a_list_that_shows_what_has_changed_is_not_all_of_it(behaviour: Behaviour) -> None:
    assert listed(loaded(behaviour)) is None


def test_a_range_is_not_all_of_a_list() -> None:
    model = Model(steady(100, 10), behaviour=IGNORES_UPDATED)
    span = Span(NOON - 50 * SECONDS_PER_DAY, NOON, known_until=NOON)
    assert [batch.progress.listed for batch in model.batches(span) if batch.progress][-1] is None


def test_a_reading_from_a_day_on_says_where_it_begins() -> None:
    loader = Loader(Model(steady(100, 10), behaviour=IGNORES_UPDATED), ALL_EACH_TIME)
    since = NOON - 50 * SECONDS_PER_DAY
    first = Span(created_since=since, since=since, pace=ALL_EACH_TIME, lookback_seconds=LOOKBACK_SECONDS)
    for batch in loader.model.batches(first):
        loader.cursor = batch.cursor.timestamp() if batch.cursor else loader.cursor
        loader.history = batch.progress.history if batch.progress else loader.history
    loader.model.now = NOON + HOUR
    found = listed(loader, since)
    assert found is not None
    assert found.since == since
    created = {row_id: each["created_at"] for row_id, each in loader.model.account.rows["responses"].items()}
    assert {row_id for row_id in created if created[row_id] >= since * 1_000_000} <= set(found.ids)


def test_rows_that_were_there_are_asked_for_again_after_a_week() -> None:
    known = Held(frozenset(range(10)))
    first = compared(set(range(5)), known, {}, NOON, believes_marks=True)
    first.hidden = [7, 8]
    state = {key: value for key, value in kept_of(first).items() if value}
    for seconds, unlisted, hidden_at in (
        (HIDDEN_SECONDS - 1, [5, 6, 9], NOON),
        (HIDDEN_SECONDS, [5, 6, 7, 8, 9], NOON + HIDDEN_SECONDS),
        (-60, [5, 6, 7, 8, 9], NOON - 60),
    ):
        found = compared(set(range(5)), known, state, NOON + seconds, believes_marks=True)
        leave_out_known(found, state, asks_again=True)
        assert (found.unlisted, found.hidden_at) == (unlisted, hidden_at)


@pytest.mark.parametrize(
    ("unlisted", "rows", "is_much"),
    [(100, 400, False), (101, 400, True), (120, 6_000, False), (121, 6_000, True), (3, 3, True)],
)
def test_what_would_be_much_is_known_before_anybody_asks(unlisted: int, rows: int, is_much: bool) -> None:
    found = compared(set(range(unlisted, rows)), Held(frozenset(range(rows))), {}, NOON, believes_marks=True)
    assert found.may_be_much == is_much
