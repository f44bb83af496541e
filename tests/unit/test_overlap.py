"""Which rows of the overlap were loaded as they are, by what the state keeps of them."""

import json
from datetime import datetime, timedelta, timezone
from itertools import product
from typing import Any

import pytest

from wootric_pipeline.reading.overlap import ROWS_MAX, Overlap

NOON = datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
LOOKBACK = timedelta(minutes=5)
STATE_BYTES_MAX = 32_000


def row(row_id: int, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    return {"id": row_id, "updated_at": NOON + timedelta(seconds=seconds), **fields}


def overlap(
    kept: dict[str, Any] | None = None, shape: str = "", dropped: tuple[str, ...] = (), key: bytes = b""
) -> Overlap:
    return Overlap(kept, shape, LOOKBACK, dropped, key)


def kept(*rows: dict[str, Any], cursor: float = 0, **more: Any) -> dict[str, Any]:
    """What is kept of rows that were loaded, up to a cursor."""
    loaded = overlap(**more)
    loaded.note(list(rows))
    return as_loaded(loaded.kept(NOON + timedelta(seconds=cursor), is_complete=True))


def as_loaded(state: dict[str, Any]) -> dict[str, Any]:
    """A state as it comes back from a destination."""
    back: dict[str, Any] = json.loads(json.dumps(state))
    return back


def test_rows_that_have_not_changed_are_told_from_others() -> None:
    state = kept(row(1, tags=["a"]), row(2, text="x"), row(3, -300), row(4, -301))
    # The second version of a row within one second differs in the text alone, and so does the order of tags.
    rows = [row(1, tags=["a"]), row(2, text="y"), row(3, -300), row(4, -301), row(5)]
    assert overlap(state).parted(rows) == ([rows[1], rows[3], rows[4]], [rows[0], rows[2]])
    assert overlap(state).parted([row(1, tags=["a", "b"])]) == ([row(1, tags=["a", "b"])], [])


def test_types_tell_values_apart() -> None:
    values = ["1", 1, 1.0, True, None, ["1"], {"1": 1}]
    for value, other in product(values, values):
        _, unchanged = overlap(kept(row(1, value=value))).parted([row(1, value=other)])
        assert bool(unchanged) == (value is other)


def test_of_rows_in_another_form_nothing_is_known() -> None:
    state = kept(row(1), shape="properties columns")
    assert overlap(state, "properties json").parted([row(1)]) == ([row(1)], [])
    assert overlap(state, "properties columns").parted([row(1)]) == ([], [row(1)])


def test_a_dropped_column_is_in_no_digest() -> None:
    assert kept(row(1, email="a@example.com"), dropped=("email",)) == kept(row(1), dropped=("email",))
    assert kept(row(1, email="a@example.com")) != kept(row(1))


def test_digests_with_a_key_cannot_be_compared_without_it() -> None:
    digests = [kept(row(1), key=key)["rows"]["1"] for key in (b"", b"a key", b"another")]
    assert len(set(digests)) == 3
    assert overlap(kept(row(1), key=b"a key"), key=b"a key").parted([row(1)]) == ([], [row(1)])


def test_without_a_cursor_nothing_is_kept() -> None:
    noted = overlap()
    noted.note([row(1)])
    assert noted.kept(None, is_complete=True) == {}


def test_a_version_that_comes_behind_another_one_competes_with_it() -> None:
    reading = overlap(kept(row(1, text="known")))
    older = row(1, -1, text="older")
    assert reading.parted([older]) == ([older], [])
    # Left out, it would leave the older one in its place.
    assert reading.parted([row(1, text="known")]) == ([row(1, text="known")], [])


def test_an_older_version_behind_what_is_loaded_is_left_out() -> None:
    reading = overlap(kept(row(1, text="known")))
    assert reading.parted([row(1, text="known")]) == ([], [row(1, text="known")])
    assert reading.parted([row(1, -1, text="older")]) == ([], [row(1, -1, text="older")])
    newer = row(1, 1, text="newer")
    assert reading.parted([newer]) == ([newer], [])


@pytest.mark.parametrize("second", [0, -1])
def test_of_versions_of_which_either_may_be_loaded_nothing_is_kept(second: int) -> None:
    reading = overlap()
    reading.note([row(1, text="first"), row(2)])
    reading.note([row(1, second, text="second")])
    assert list(reading.kept(NOON, is_complete=True)["rows"]) == ["2"]


def test_the_newer_of_two_versions_is_kept() -> None:
    assert kept(row(1, -1, text="older"), row(1, text="newer")) == kept(row(1, text="newer"))
    assert kept(row(1), row(1)) == kept(row(1))


def test_rows_that_a_broken_reading_has_not_reached_stay_known() -> None:
    state = kept(row(1), row(2), row(3))
    reading = overlap(state)
    changed, unchanged = reading.parted([row(1), row(2, text="new")])
    reading.note([*changed, *unchanged])
    broken = as_loaded(reading.kept(NOON, is_complete=False))
    rows = [row(1), row(2), row(3)]
    assert overlap(broken).parted(rows) == ([rows[1]], [rows[0], rows[2]])
    # Of a whole list, what has not come again is gone.
    assert list(reading.kept(NOON, is_complete=True)["rows"]) == ["1", "2"]


def test_a_reading_that_was_broken_before_its_first_row_changes_no_state() -> None:
    state = kept(row(1), row(2))
    assert overlap(state).kept(NOON, is_complete=False) == state


@pytest.mark.parametrize("step", [1, -1])
def test_the_newest_rows_are_kept_in_a_small_state(step: int) -> None:
    count = 10 * ROWS_MAX
    rows = [row(10**9 + index, -index / 100) for index in range(count)]
    state = kept(*rows[::step])
    assert set(state["rows"]) == {str(each["id"]) for each in rows[:ROWS_MAX]}
    assert len(json.dumps(state)) < STATE_BYTES_MAX
    assert [overlap(state).compares, overlap(kept(row(1))).compares, overlap().compares] == [False, True, False]


def test_rows_of_the_future_leave_room_for_others() -> None:
    state = kept(row(1, 10**9), row(2), row(3, -100))
    assert list(state["rows"]) == ["1", "2", "3"]


@pytest.mark.parametrize("step", [1, -1])
def test_what_is_kept_does_not_depend_on_where_the_cursor_was_on_the_way(step: int) -> None:
    pages = [[row(10 * page + index, 100 * page + 10 * index) for index in range(10)] for page in range(10)][::step]
    on_the_way = overlap()
    for number, page in enumerate(pages, 1):
        on_the_way.note(page, max(each["updated_at"] for page in pages[:number] for each in page))
    state = as_loaded(on_the_way.kept(NOON + timedelta(seconds=990), is_complete=True))
    assert state == kept(*(each for page in pages for each in page), cursor=990)
    assert len(state["rows"]) == 31


def test_a_version_older_than_the_overlap_still_competes_with_one_within_it() -> None:
    reading = overlap()
    reading.note([row(1, text="newer"), row(2)], NOON)
    reading.note([row(1, -1_000, text="older")], NOON)
    assert list(reading.kept(NOON, is_complete=True)["rows"]) == ["2"]
