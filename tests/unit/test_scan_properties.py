"""Whatever the rows, the ties, the order and the changes meanwhile: a scan is complete, or says that it is not."""

import random
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import pytest
from hypothesis import HealthCheck, currently_in_test_context, event, given, settings
from hypothesis import strategies as st

from tests.api_model import Change, Model, account_of, delete, insert, update
from tests.conftest import NOON, row
from wootric_pipeline.errors import IncompleteScan, UnexpectedAnswer
from wootric_pipeline.reading import listing, order, parts, scan, walk
from wootric_pipeline.reading.history import History, Pace
from wootric_pipeline.reading.span import Span
from wootric_pipeline.sandbox import SECOND, Behaviour
from wootric_pipeline.sandbox import query as sandbox

PAGE_ROWS, PAGES_MAX = 3, 4


@pytest.fixture(autouse=True, scope="module")
def _small_pages() -> Iterator[None]:
    """Pages of 3 rows and queries of 4 pages: ties far above what one query reaches need few rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "PAGES_MAX", PAGES_MAX)
        for module in (listing, walk):
            patch.setattr(module, "PAGE_ROWS", PAGE_ROWS)
        patch.setattr(order, "WINDOW_PAGES", PAGES_MAX - 2)
        patch.setattr(scan, "PAGES_BEFORE_PARTS", 2)
        patch.setattr(scan, "PAGES_BEFORE_PARTS_OF_CHANGES", 4)
        patch.setattr(parts, "PAGES_OF_A_PART_MIN", 1)
        patch.setattr(parts, "PAGES_OF_A_PART_MAX", 2)
        patch.setattr(parts, "COST_PAGES_FREE", 1_000)
        patch.setattr(sandbox, "PER_PAGE_MAX", PAGE_ROWS)
        patch.setattr(sandbox, "PAGE_MAX", PAGES_MAX)
        yield


@st.composite
def rows_with_ties(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows in few seconds, with hidden fractions; none is updated before it is created."""
    count, seconds, fractions = draw(st.integers(0, 80)), draw(st.integers(0, 12)), draw(st.booleans())
    rnd = draw(st.randoms(use_true_random=False))
    rows = []
    for index in range(count):
        created, updated = sorted((rnd.randint(0, seconds), rnd.randint(0, seconds)))
        fraction = rnd.randrange(SECOND) if fractions else 0
        first = (NOON - 1_000 + created) * SECOND + fraction
        last = max(first, (NOON - 1_000 + updated) * SECOND + fraction // 2)
        rows.append(
            {"id": index, "created_at": first, "updated_at": last, "email": f"{rnd.randrange(count)}@example.com"}
        )
    return rows


def some_changes(rnd: random.Random, count: int) -> list[Change]:
    return [rnd.choice((update, update, delete, insert))(rnd.randrange(100)) for _ in range(count)]


changes = st.builds(some_changes, st.randoms(use_true_random=False), st.integers(0, 60))
behaviours = st.builds(
    Behaviour,
    ignores_updated=st.sampled_from([frozenset(), frozenset({"responses"})]),
    ignores_sort_key=st.sampled_from([frozenset(), frozenset({"responses"})]),
)
page_sizes = st.one_of(st.just(PAGE_ROWS), st.integers(1, PAGE_ROWS))
orders = st.one_of(st.none(), st.randoms(use_true_random=False))


SCANS: dict[str, st.SearchStrategy[Any]] = {
    "rows": rows_with_ties(),
    "changes": changes,
    "behaviour": behaviours,
    "since": st.integers(0, 12),
    "incremental": st.booleans(),
    "order": orders,
    "page_rows_max": page_sizes,
}
FEW = settings(
    derandomize=True,
    max_examples=200,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@FEW
@given(**SCANS)
def test_a_scan_is_complete_or_says_that_it_is_not(**scan: Any) -> None:
    complete_or_said(**scan)


def test_a_second_at_the_beginning_of_a_list_is_read_by_pages_as_long_as_its_first() -> None:
    rows = [row(index, NOON - 990 + index, created=NOON - 1_000 + max(index - 20, 0)) for index in range(28)]
    neither = Behaviour(ignores_updated=frozenset({"responses"}), ignores_sort_key=frozenset({"responses"}))
    complete_or_said(rows, [], neither, 1, False, None, PAGE_ROWS)


def test_two_rows_on_pages_of_one_take_no_more_requests_than_they_may() -> None:
    rows = [row(0, NOON - 998, created=NOON - 998), row(1, NOON - 997, created=NOON - 1_000)]
    sort_key_ignored = Behaviour(ignores_sort_key=frozenset({"responses"}))
    complete_or_said(rows, [], sort_key_ignored, 0, True, None, 1)


@pytest.mark.slow
@settings(FEW, max_examples=2_000)
@given(**SCANS)
def test_thousands_of_scans_are_complete_or_say_that_they_are_not(**scan: Any) -> None:
    complete_or_said(**scan)


def complete_or_said(
    rows: list[dict[str, Any]],
    changes: list[Change],
    behaviour: Behaviour,
    since: int,
    incremental: bool,
    order: random.Random | None,
    page_rows_max: int,
) -> None:
    """Whether a scan brings all rows that did not change meanwhile, in as many requests as it may take, or fails."""
    # Pages of one or two rows leave no room for one that overlaps them: what leaves meanwhile may hide another.
    changes = changes if page_rows_max == PAGE_ROWS else []
    model = Model(
        account_of(rows), behaviour=behaviour, changes=list(changes), order=order, page_rows_max=page_rows_max
    )
    begin = NOON - 1_000 + since
    span = Span(begin, known_until=begin if incremental else None)
    try:
        read = model.read(span, started_at=NOON)
    except IncompleteScan:
        if currently_in_test_context():
            event("incomplete")
        assert crowded(rows, behaviour, 2 * PAGES_MAX * page_rows_max) or changes
        return
    untouched = {
        each["id"]: each["updated_at"]
        for each in model.account.rows["responses"].values()
        if each["updated_at"] < NOON * SECOND
    }
    wanted = {row_id: version for row_id, version in untouched.items() if version >= begin * SECOND}
    newest = {each["id"]: each["version"] for each in sorted(read, key=lambda each: int(each["version"]))}
    assert {row_id: newest.get(row_id) for row_id in wanted} == wanted
    before = {each["id"]: each["updated_at"] for each in rows}
    assert all(each["version"] >= before.get(each["id"], NOON * SECOND) for each in read)
    # Pages of one row never overlap, and two hardly do: each row is looked for from several sides.
    assert len(model.queries) <= 30 + (20 if page_rows_max < 3 else 8) * (len(rows) + len(changes))


def crowded(rows: list[dict[str, Any]], behaviour: Behaviour, revealed: int) -> bool:
    """Whether more rows share all the seconds by which they can be told apart than the API reveals of one."""
    split = not behaviour.ignores_updated
    cells = Counter((each["created_at"] // SECOND, each["updated_at"] // SECOND if split else 0) for each in rows)
    # Where sort_key is ignored, a second of updates cannot be read along creation, nor the other way round.
    if behaviour.ignores_sort_key:
        cells += Counter((each["created_at"] // SECOND, -1) for each in rows)
        cells += Counter((-1, each["updated_at"] // SECOND) for each in rows)
    return max(cells.values(), default=0) >= revealed


@settings(derandomize=True, max_examples=200, deadline=None)
@given(rows=rows_with_ties(), table=st.sampled_from(["end_users", "responses"]), order=orders, page_rows_max=page_sizes)
def test_an_unsorted_list_is_read_completely_or_refused(
    rows: list[dict[str, Any]], table: str, order: random.Random | None, page_rows_max: int
) -> None:
    unsorted = Behaviour(ignores_sort_key=frozenset({table}))
    model = Model(account_of(rows, table), table, unsorted, order=order, page_rows_max=page_rows_max)
    try:
        read = model.read()
    except (IncompleteScan, UnexpectedAnswer):
        event("refused")
        return
    assert {each["id"] for each in read} == {each["id"] for each in rows}


@pytest.mark.slow
@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    rows=rows_with_ties(),
    changes=changes,
    order=orders,
    behaviour=st.sampled_from(
        [Behaviour(ignores_updated=frozenset({"responses"})), Behaviour(ignores_sort_key=frozenset({"responses"}))]
    ),
    breaks=st.lists(st.integers(0, 12), max_size=4),
)
def test_a_reading_along_creation_may_be_broken_off_and_gone_on_with(
    rows: list[dict[str, Any]],
    changes: list[Change],
    order: random.Random | None,
    behaviour: Behaviour,
    breaks: list[int],
) -> None:
    model = Model(account_of(rows), behaviour=behaviour, changes=list(changes), order=order)
    read: list[dict[str, Any]] = []
    cursor: datetime | None = None
    history: History | None = None
    try:
        for batches_max in [*breaks, None, None]:
            known = int(cursor.timestamp()) if cursor else None
            if history is not None:
                known = None if history.newest is None else int(history.newest)
            model.now += 1
            left = model.batches(Span(known, history=history, pace=Pace(0.0), known_until=known))
            progress = None
            for batch in islice(left, batches_max):
                read += batch.rows
                cursor, progress = batch.cursor or cursor, batch.progress
            has_ended = next(left, None) is None
            if progress is not None:
                history = progress.kept(history, has_rows=True, has_ended=has_ended)
            if has_ended:
                model.changes.clear()
    except (IncompleteScan, UnexpectedAnswer):
        event("refused")
        return
    now = {each["id"]: each["updated_at"] for each in model.account.rows["responses"].values()}
    newest = {each["id"]: each["version"] for each in sorted(read, key=lambda each: int(each["version"]))}
    assert {row_id: newest.get(row_id) for row_id in now} == now
