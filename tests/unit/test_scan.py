"""A range is read completely and cheaply, whatever the rows, the ties and the order."""

import random
from datetime import datetime, timezone
from math import ceil

import pytest

from tests.api_model import Model, account_of, nothing, update
from tests.conftest import NOON, row
from wootric_pipeline.errors import IncompleteScan, UnexpectedAnswer
from wootric_pipeline.reading.listing import UPDATED, Bounds, Listing, Page, Params
from wootric_pipeline.reading.order import OrderProof, Windows
from wootric_pipeline.reading.seen import Seen
from wootric_pipeline.reading.span import Span
from wootric_pipeline.reading.walk import Walk
from wootric_pipeline.sandbox import SECOND, Account, Behaviour, DemoAccount
from wootric_pipeline.tables import RESPONSES

CREATED_ONLY = Behaviour(ignores_updated=frozenset({"responses"}))
UNSORTED = Behaviour(ignores_sort_key=frozenset({"responses", "end_users"}))


def ids(rows: list[dict[str, int]]) -> list[int]:
    return [each["id"] for each in rows]


def spread(count: int, *, seconds_apart: int = 60) -> list[dict[str, int]]:
    """Rows updated one after the other, most an hour after their creation; ids tell the order of that."""
    first = NOON - (count + 60) * seconds_apart
    seconds = [first + index * seconds_apart for index in range(count)]
    created = [second - (3_600 if index % 3 else 0) for index, second in enumerate(seconds)]
    ids = {index: rank for rank, index in enumerate(sorted(range(count), key=lambda index: created[index]))}
    return [row(ids[index], seconds[index], created=created[index]) for index in range(count)]


@pytest.mark.parametrize(("known_empty", "requests"), [(False, 3), (True, 2)])
def test_an_empty_list_takes_a_page_from_each_end_and_another_the_first_time(known_empty: bool, requests: int) -> None:
    model = Model(Account())
    assert model.read(Span(known_empty=known_empty)) == []
    assert len(model.queries) == requests


def test_pages_come_in_the_order_of_the_cursor() -> None:
    model = Model(account_of(spread(1_234)))
    times = [each["updated_at"] for each in model.read()]
    assert times == sorted(times)
    assert len(times) == 1_234


@pytest.mark.parametrize("count", [49, 50, 51, 100, 1_499, 1_500, 1_501, 5_000])
def test_requests_stay_within_five_percent_of_the_least_possible(count: int) -> None:
    model = Model(account_of(spread(count)))
    assert len(model.read()) == count
    assert len(model.queries) <= 1.04 * ceil(count / 50) + 4


@pytest.mark.parametrize("count", [3_000, 5_000, 20_000])
@pytest.mark.parametrize("behaviour", [Behaviour(), CREATED_ONLY])
def test_parts_read_at_the_same_time_cost_next_to_nothing(count: int, behaviour: Behaviour) -> None:
    model = Model(account_of(spread(count)), behaviour=behaviour, order=random.Random(1))
    assert sorted(ids(model.read())) == list(range(count))
    assert len(model.queries) <= 1.04 * ceil(count / 50) + 4


@pytest.mark.parametrize("bursts", [1, 5, 20])
@pytest.mark.parametrize("behaviour", [Behaviour(), CREATED_ONLY])
def test_parts_that_end_between_bursts_cost_next_to_nothing(bursts: int, behaviour: Behaviour) -> None:
    chance = random.Random(0)
    begun = [chance.randrange(100_000_000) for _ in range(bursts)]
    ages = [
        chance.choice(begun) + chance.randrange(20_000) if chance.random() < 0.9 else chance.randrange(100_000_000)
        for _ in range(5_000)
    ]
    rows = [row(index, NOON - age) for index, age in enumerate(sorted(ages, reverse=True))]
    model = Model(account_of(rows), behaviour=behaviour, order=random.Random(0))
    assert sorted(ids(model.read())) == list(range(5_000))
    assert len(model.queries) <= 1.04 * 100 + 4


def test_no_part_but_the_last_is_counted() -> None:
    rows = [row(index, NOON - 1_000_000 + index * 50) for index in range(20_000)]
    model = Model(account_of(rows), order=random.Random(1))
    assert ids(model.read()) == list(range(20_000))
    begun = model.begun()
    counted = [query for query in model.queries if "updated[lt]" in query and "page" in query]
    assert len(begun) > 4
    assert len(counted) == 2


@pytest.mark.parametrize("table", ["end_users", "responses", "declines"])
@pytest.mark.parametrize("behaviour", [Behaviour(), Behaviour(ignores_updated=frozenset({"responses", "declines"}))])
@pytest.mark.parametrize("in_parts", [False, True])
def test_the_demo_stays_within_the_budget(table: str, behaviour: Behaviour, in_parts: bool) -> None:
    model = Model(DemoAccount(NOON), table, behaviour, order=random.Random(1) if in_parts else None)
    rows = len(model.account.rows[table])
    assert len(set(ids(model.read()))) == rows >= 5_000
    assert len(model.queries) <= 1.04 * ceil(rows / 50) + 4


@pytest.mark.parametrize("updated_with", range(3_000, 4_500, 150))
def test_parts_of_an_unsorted_list_hide_no_row(updated_with: int) -> None:
    rows = [row(index, NOON - 600_000 + index * 60) for index in range(5_000)]
    rows[2_000] = row(2_000, rows[updated_with]["updated_at"] // SECOND + 1, created=NOON - 480_000)
    model = Model(account_of(rows), behaviour=UNSORTED, order=random.Random(1))
    assert set(ids(model.read())) == set(range(5_000))


def test_a_burst_that_a_part_runs_into_is_itself_read_in_parts() -> None:
    quiet = [row(index, NOON - 1_000_000 + index * 100) for index in range(5_000)]
    burst = [row(5_000 + index, NOON - 450_000 + index) for index in range(30_000)]
    model = Model(account_of([*quiet, *burst]), order=random.Random(1))
    assert ids(model.read()) == list(range(35_000))
    assert len([second for second in model.begun() if NOON - 450_000 < second < NOON - 420_000]) > 2
    assert len(model.queries) <= 35_000 / 50 * 1.05 + 4


def test_a_list_that_never_proves_its_order_is_read_in_parts_as_well() -> None:
    rows = [row(index, NOON - 500_000 + index * 7, email=f"user{index:05}@example.com") for index in range(20_000)]
    model = Model(account_of(rows, "end_users"), table="end_users", order=random.Random(1))
    assert ids(model.read()) == list(range(20_000))
    assert len(model.begun()) > 3
    assert len(model.queries) <= 1.04 * 400 + 4


def test_a_list_too_short_for_parts_is_read_without_them() -> None:
    rows = spread(1_200)
    whole, in_parts = Model(account_of(rows)), Model(account_of(rows), order=random.Random(1))
    assert ids(in_parts.read()) == ids(whole.read())
    assert in_parts.queries == whole.queries


@pytest.mark.parametrize("changed", [60, 500, 2_000])
def test_changes_in_the_order_of_ids_take_no_more_requests(changed: int) -> None:
    rows = [row(index, NOON - 500_000 + index * 7) for index in range(20_000)]
    model = Model(account_of(rows))
    for index in range(changed):
        model.account.change("responses", 2 * index, (NOON - 50_000 + index) * SECOND)
    last_seen = rows[-1]["updated_at"] // SECOND
    assert len(model.read(Span(last_seen - 300), started_at=NOON)) == changed + 300 // 7 + 1
    assert len(model.queries) <= 1.04 * ceil(changed / 50) + 4


@pytest.mark.parametrize("changed", [60, 2_500, 4_500])
def test_changes_take_no_more_requests_where_parts_are_read_at_the_same_time(changed: int) -> None:
    rows = [row(index, NOON - 500_000 + index * 7) for index in range(20_000)]
    model = Model(account_of(rows), order=random.Random(1))
    for index, row_id in enumerate(random.Random(1).sample(range(20_000), changed)):
        model.account.change("responses", row_id, (NOON - 50_000 + index) * SECOND)
    assert len(model.read(Span(NOON - 50_000, known_until=NOON - 49_700), started_at=NOON)) == changed
    assert len(model.queries) <= 1.04 * ceil(changed / 50) + 4


def test_end_users_who_were_never_updated_take_no_more_requests() -> None:
    rows = [row(index, NOON - 500_000 + index * 7, email=f"user{index}@example.com") for index in range(5_000)]
    model = Model(account_of(rows, "end_users"), table="end_users")
    assert ids(model.read()) == list(range(5_000))
    assert len(model.queries) <= 5_000 / 50 * 1.04 + 4


def test_queries_seek_with_whole_seconds_gte_and_lt_only() -> None:
    model = Model(account_of(spread(120)))
    model.read()
    first, probe, *following, newest, count = model.queries
    assert first == {"sort_key": "updated_at", "sort_order": "asc", "per_page": 50}
    # Where the filter is ignored, the answer is the first page along creation.
    assert probe == {
        "updated[lt]": int(model.answers[0][0]["updated_at"].timestamp()),
        "sort_key": "created_at",
        "sort_order": "asc",
        "per_page": 50,
    }
    assert newest == {"sort_key": "updated_at", "sort_order": "desc", "per_page": 50}
    # Behind all 120 rows, of which two pages of 50 hold all but 20.
    assert count == {"updated[lt]": NOON, "sort_key": "updated_at", "sort_order": "asc", "per_page": 50, "page": 3}
    for query in following:
        assert {key for key in query if "[" in key} == {"updated[gte]"}
        assert (query["sort_key"], query["sort_order"], query["per_page"]) == ("updated_at", "asc", 50)


def test_the_range_is_closed_at_its_start_and_open_at_its_end() -> None:
    model = Model(account_of([row(second, NOON - 10 + second) for second in range(8)]))
    assert ids(model.read(Span(NOON - 8, NOON - 5))) == [2, 3, 4]


def test_what_changes_after_the_start_is_loaded_and_does_not_move_the_cursor_past_it() -> None:
    model = Model(account_of([row(1, NOON - 5), row(2, NOON), row(3, NOON + 5)]))
    batches = list(model.batches(started_at=NOON))
    assert ids([each for batch in batches for each in batch.rows]) == [1, 2, 3]
    assert max(batch.cursor.timestamp() for batch in batches if batch.cursor) == NOON


def test_a_page_behind_a_second_is_not_taken_for_the_end_because_it_was_to_be_shorter() -> None:
    rows = spread(1_000)
    for each in rows[300:437]:
        each["updated_at"] = rows[300]["updated_at"]
    model = Model(account_of(rows))
    assert sorted(ids(model.read())) == list(range(1_000))
    assert len([query for query in model.queries if query["sort_order"] == "desc"]) == 1


@pytest.mark.parametrize("count", [50, 51, 99, 100, 1_500, 1_501, 10_000])
def test_rows_updated_in_one_second_are_split_by_their_creation(count: int) -> None:
    tied = [row(index, NOON - 100, created=NOON - 90_000 + index) for index in range(count)]
    model = Model(account_of([row(-1, NOON - 200), *tied, row(count, NOON - 50)]))
    assert sorted(ids(model.read())) == list(range(-1, count + 1))
    assert len(model.queries) <= ceil(count / 50 * 1.05) + 10


@pytest.mark.parametrize("count", [51, 1_500, 2_999])
@pytest.mark.parametrize("behaviour", [Behaviour(), CREATED_ONLY])
def test_rows_created_and_updated_in_one_second_are_read_from_both_ends(count: int, behaviour: Behaviour) -> None:
    model = Model(account_of([row(index, NOON - 100) for index in range(count)]), behaviour=behaviour)
    assert sorted(ids(model.read())) == list(range(count))


def test_a_second_before_the_range_does_not_count_as_its_first_window() -> None:
    proof, seen = OrderProof(RESPONSES, UPDATED), Seen(UPDATED)

    def nothing_is_asked(params: Params) -> Page:
        raise AssertionError(params)

    windows = Windows(Listing(RESPONSES, nothing_is_asked), UPDATED, (), seen, proof, 100)
    second = datetime.fromtimestamp(99, timezone.utc)
    windows.note([{"id": 1, "created_at": second, "updated_at": second}])
    assert list(windows.ended(99, always=True)) == []
    assert proof.may_count(always=False)


@pytest.mark.parametrize("behaviour", [Behaviour(), CREATED_ONLY])
def test_more_rows_in_a_second_than_the_api_reveals_are_an_error_that_names_it(behaviour: Behaviour) -> None:
    model = Model(account_of([row(index, NOON - 100) for index in range(3_100)]), behaviour=behaviour)
    with pytest.raises(
        IncompleteScan, match=rf"^responses has more rows than the API reveals in the second {NOON - 100} "
    ):
        model.read()


def test_a_row_that_leaves_while_a_second_is_paged_hides_no_other() -> None:
    account = account_of([row(index, NOON - 100) for index in range(160)])
    # The third page of the cell is next when a row of its first page leaves.
    model = Model(account, changes=[*[nothing] * 5, update(0), update(1)])
    assert set(ids(model.read())) >= set(range(2, 160))


def test_a_list_that_ignores_updated_is_read_along_its_creation_and_filtered() -> None:
    rows = spread(700)
    model = Model(account_of(rows), behaviour=CREATED_ONLY)
    since = rows[350]["updated_at"] // SECOND
    assert set(ids(model.read(Span(since)))) == set(ids(rows[350:]))
    # A page along `updated`, the probe, and the newest rows at the end begin at no second of creation.
    assert sum("created[gte]" not in query for query in model.queries) <= 4
    assert len(model.queries) <= 1.04 * ceil(700 / 50) + 4


def test_a_range_in_the_past_is_read_along_creation_from_the_beginning() -> None:
    model = Model(account_of([row(1, NOON - 900_000, created=NOON - 2_000_000)]), behaviour=CREATED_ONLY)
    assert ids(model.read(Span(NOON - 1_000_000, NOON - 800_000))) == [1]


def test_a_row_updated_during_a_reading_along_creation_does_not_move_the_cursor() -> None:
    rows = [row(index, NOON - 1_000 + index) for index in range(200)]
    account = account_of(rows)
    model = Model(account, behaviour=CREATED_ONLY, changes=[nothing, nothing, update(199)])
    batches = list(model.batches(Span(0), NOON))
    assert ids([each for batch in batches for each in batch.rows]) == list(range(200))
    assert [batch.cursor.timestamp() for batch in batches if batch.cursor] == [NOON - 1_000 + 198]


def test_a_list_that_ignores_sort_key_is_read_along_its_default_order() -> None:
    rows = [row(index, NOON - 10_000 + (index * 7_919) % 9_000, created=NOON - 50_000 + index) for index in range(400)]
    model = Model(account_of(rows), behaviour=UNSORTED)
    assert sorted(ids(model.read())) == list(range(400))


def test_a_page_that_is_in_both_orders_hides_no_earlier_update() -> None:
    # Sorted by creation, the first page looks sorted by update as well; row 99 was created later and updated earlier.
    rows = [row(index, NOON - 1_000 + index, created=NOON - 90_000 + index) for index in range(60)]
    hidden = row(99, NOON - 5_000, created=NOON - 6_000)
    model = Model(account_of([*rows, hidden]), behaviour=UNSORTED)
    assert set(ids(model.read())) == {*range(60), 99}


def test_a_list_sorted_by_neither_time_is_an_error() -> None:
    rows = [row(index, NOON - 10_000 + index * 7_919 % 9_000, email=f"{index:05}@example.com") for index in range(400)]
    model = Model(account_of(rows, "end_users"), table="end_users", behaviour=UNSORTED)
    with pytest.raises(UnexpectedAnswer, match="sorts end_users neither by updated_at nor by created_at"):
        model.read()


def test_rows_outside_the_range_asked_for_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(account_of([row(1, NOON - 90_000), row(2, NOON - 900)]))
    fetch = model.fetch
    unfiltered = lambda params: fetch({name: value for name, value in params.items() if "[" not in name})  # noqa: E731
    monkeypatch.setattr(model, "fetch", unfiltered)
    with pytest.raises(UnexpectedAnswer, match="outside the created_at asked for"):
        model.read(Span(NOON, created_since=NOON))


def test_what_lies_between_two_parts_is_of_the_range() -> None:
    second = [datetime.fromtimestamp(each, timezone.utc) for each in range(300)]
    before, last, beyond, first = (
        {"id": each, "created_at": second[each], "updated_at": second[each]} for each in (50, 150, 200, 250)
    )

    answers = iter([[last]])

    def coarse(params: Params) -> Page:
        return next(answers, [] if int(params["updated[gte]"]) > 250 else [before, last, beyond, first])

    walk, behind = (Walk(Listing(RESPONSES, coarse), Bounds(UPDATED, since)) for since in (100, 225))
    next(walk.pieces())
    walk.beyond, behind.first = [beyond], [first]
    assert [row for piece in walk.bridge(behind) for row in piece.rows] == [beyond, beyond, first]
