"""A page with fewer rows than were asked for is not taken for the end, whatever has made it short."""

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from tests.api_model import Model, account_of, delete, nothing, update
from tests.conftest import NOON, row
from tests.unit.test_scan import CREATED_ONLY, ids, spread
from wootric_pipeline.errors import IncompleteScan
from wootric_pipeline.reading import parts, scan
from wootric_pipeline.reading.span import Span
from wootric_pipeline.sandbox import SECOND, Behaviour

LISTS = [Behaviour(), CREATED_ONLY]
EXAMPLES = settings(derandomize=True, max_examples=200, deadline=None)


@pytest.fixture(autouse=True, scope="module")
def _short_parts() -> Iterator[None]:
    """Parts of few pages, so that few rows fall into parts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "PAGES_BEFORE_PARTS", 1)
        patch.setattr(scan, "PAGES_BEFORE_PARTS_OF_CHANGES", 2)
        patch.setattr(parts, "PAGES_OF_A_PART_MIN", 1)
        patch.setattr(parts, "PAGES_OF_A_PART_MAX", 3)
        patch.setattr(parts, "COST_PAGES_FREE", 1_000)
        yield


@st.composite
def rows_apart(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows in seconds of which some are tied, up to 30 of them; a third are updated later than they were created."""
    count, tied = draw(st.integers(1, 300)), draw(st.integers(1, 30))
    rnd = random.Random(draw(st.integers(0, 1_000)))
    rows: list[dict[str, Any]] = []
    second = NOON - 100_000
    while len(rows) < count:
        second += rnd.randint(1, 300)
        for _ in range(min(rnd.choice((1, 1, 1, tied)), count - len(rows))):
            rows.append(row(len(rows), second, created=second - (rnd.randint(0, 3_600) if rnd.random() < 0.3 else 0)))
    return rows


readings = {
    "rows": rows_apart(),
    "behaviour": st.sampled_from(LISTS),
    "order": st.one_of(st.none(), st.integers(0, 1_000).map(random.Random)),
    "span": st.sampled_from([Span(0), Span(NOON - 200_000, known_until=NOON - 199_700)]),
}


@EXAMPLES
@given(page_rows_max=st.integers(1, 49), **readings)
def test_pages_of_any_size_bring_all_rows(
    rows: list[dict[str, Any]], behaviour: Behaviour, order: random.Random | None, span: Span, page_rows_max: int
) -> None:
    model = Model(account_of(rows), behaviour=behaviour, order=order, page_rows_max=page_rows_max)
    read = ids(model.read(span))
    # A list that turns out to ignore `updated` is read anew, along `created`.
    anew = behaviour == CREATED_ONLY and bool(span.since)
    assert (sorted(set(read)) if anew else sorted(read)) == list(range(len(rows)))


@EXAMPLES
@given(page_rows_max=st.integers(3, 49), changes=st.lists(st.integers(0, 999), max_size=60), **readings)
def test_what_changes_meanwhile_hides_no_row_of_short_pages(
    rows: list[dict[str, Any]],
    behaviour: Behaviour,
    order: random.Random | None,
    span: Span,
    page_rows_max: int,
    changes: list[int],
) -> None:
    model = Model(account_of(rows), behaviour=behaviour, order=order, page_rows_max=page_rows_max)
    model.changes = [(update(change), update(change), delete(change), nothing)[change % 4] for change in changes]
    try:
        read = model.read(span)
    except IncompleteScan:
        event("incomplete")
        return
    unchanged = {each["id"] for each in model.account.rows["responses"].values() if each["updated_at"] < NOON * SECOND}
    assert set(ids(read)) >= unchanged


@EXAMPLES
@given(data=st.data(), **readings)
def test_a_row_left_out_of_a_page_hides_no_other(
    data: st.DataObject, rows: list[dict[str, Any]], behaviour: Behaviour, order: random.Random | None, span: Span
) -> None:
    left_out = data.draw(st.frozensets(st.integers(0, len(rows) - 1), max_size=3))
    model = Model(account_of(rows), behaviour=behaviour, order=order, left_out=left_out)
    assert set(ids(model.read(span))) == set(range(len(rows))) - left_out


@EXAMPLES
@given(short_after=st.integers(0, 8), **readings)
def test_a_page_that_lacks_its_last_row_once_hides_none(
    rows: list[dict[str, Any]], behaviour: Behaviour, order: random.Random | None, span: Span, short_after: int
) -> None:
    model = Model(account_of(rows), behaviour=behaviour, order=order, short_after=short_after)
    assert set(ids(model.read(span))) == set(range(len(rows)))


@pytest.mark.parametrize("behaviour", LISTS)
@pytest.mark.parametrize("page_rows_max", [1, 2, 3, 10, 25, 40, 49])
def test_no_row_comes_twice_from_short_pages(behaviour: Behaviour, page_rows_max: int) -> None:
    model = Model(account_of(spread(700)), behaviour=behaviour, page_rows_max=page_rows_max)
    assert sorted(ids(model.read())) == list(range(700))


@pytest.mark.parametrize("behaviour", LISTS)
@pytest.mark.parametrize("page_rows_max", [10, 25, 40, 49])
def test_short_pages_cost_no_second_request_each(behaviour: Behaviour, page_rows_max: int) -> None:
    model = Model(account_of(spread(2_000)), behaviour=behaviour, page_rows_max=page_rows_max)
    assert len(model.read()) == 2_000
    # The first short page is asked for again: rows may be missing from it by mistake.
    assert len(model.queries) <= 2_000 / (page_rows_max - 1) * 1.05 + 5


@pytest.mark.parametrize("behaviour", LISTS)
@pytest.mark.parametrize("page_rows_max", [1, 10, 49])
@pytest.mark.parametrize("tied", [1, 9, 10, 11, 49, 50, 51, 120])
@pytest.mark.parametrize("created", [0, 1])
def test_rows_of_one_second_come_in_pages_of_any_size(
    behaviour: Behaviour, page_rows_max: int, tied: int, created: int
) -> None:
    rows = [row(index, NOON - 100, created=NOON - 500 + created * index) for index in range(tied)]
    model = Model(account_of([*rows, row(tied, NOON - 50)]), behaviour=behaviour, page_rows_max=page_rows_max)
    if tied > 2 * 30 * page_rows_max and not created:
        with pytest.raises(IncompleteScan):
            model.read()
    else:
        assert sorted(ids(model.read())) == list(range(tied + 1))


@pytest.mark.parametrize("in_lookback", [1, 2, 3, 20, 49])
@pytest.mark.parametrize("seconds_apart", [0, 1, 5])
def test_a_table_in_which_nothing_changed_takes_two_requests(in_lookback: int, seconds_apart: int) -> None:
    rows = [row(index, NOON - 1_000 + index * seconds_apart) for index in range(in_lookback)]
    model = Model(account_of(rows))
    assert ids(model.read(Span(NOON - 1_000, known_until=NOON - 700))) == list(range(in_lookback))
    assert len(model.queries) == 2
