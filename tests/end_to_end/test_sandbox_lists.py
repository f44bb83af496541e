"""The sandbox's lists: pages, filters, orders and times, as the API's documentation has them."""

from typing import Any

import pytest

from tests.conftest import NOON, Serve, row
from tests.end_to_end.test_sandbox import ask
from wootric_pipeline.sandbox import SECOND, Account, Row, Sandbox

TABLES = ("end_users", "responses", "declines")
HIDDEN = SECOND // 2


def ids(sandbox: Sandbox, table: str = "responses", /, **params: Any) -> list[int]:
    return [each["id"] for each in ask(sandbox, f"/v1/{table}", **params).json()]


def holding(*rows: Row, table: str = "responses", time_zone: str = "UTC") -> Account:
    account = Account(time_zone)
    account.fill(table, rows)
    return account


@pytest.fixture
def many(serve: Serve) -> Sandbox:
    return serve(holding(*[row(index, NOON + index) for index in range(1_600)]))


def test_a_page_has_25_rows_unless_asked_and_never_more_than_50(many: Sandbox) -> None:
    assert len(ids(many)) == 25
    assert len(ids(many, per_page=7)) == 7
    assert len(ids(many, per_page=50)) == 50
    assert len(ids(many, per_page=500)) == 50


def test_one_query_reaches_30_pages(many: Sandbox) -> None:
    ascending = {"per_page": 50, "sort_order": "asc"}
    assert ids(many, page=1, **ascending) == ids(many, **ascending) == list(range(50))
    assert ids(many, page=30, **ascending) == list(range(1_450, 1_500))
    assert ask(many, page=31, **ascending).status_code == 400


def test_a_page_behind_the_last_row_is_empty(serve: Serve) -> None:
    assert ids(serve(holding(row(1))), page=2) == []


def test_end_users_come_by_email_and_the_others_newest_first(serve: Serve) -> None:
    account = Account()
    for table in TABLES:
        account.fill(table, [row(index, NOON + index, email=f"{'cab'[index]}@example.com") for index in range(3)])
    sandbox = serve(account)
    assert ids(sandbox, "end_users") == [1, 2, 0]
    assert ids(sandbox, "end_users", sort_order="desc") == [0, 2, 1]
    assert ids(sandbox, "responses") == ids(sandbox, "declines") == [2, 1, 0]


@pytest.mark.parametrize("table", TABLES)
def test_lists_are_sorted_by_the_key_asked_for(serve: Serve, table: str) -> None:
    rows = [row(index, NOON + 10 - index, created=NOON + index, email="same@example.com") for index in range(3)]
    sandbox = serve(holding(*rows, table=table))
    assert ids(sandbox, table, sort_key="created_at", sort_order="asc") == [0, 1, 2]
    assert ids(sandbox, table, sort_key="created_at", sort_order="desc") == [2, 1, 0]
    assert ids(sandbox, table, sort_key="updated_at", sort_order="asc") == [2, 1, 0]
    assert ids(sandbox, table, sort_key="updated_at", sort_order="desc") == [0, 1, 2]


def test_an_unknown_sort_key_is_ignored(serve: Serve) -> None:
    sandbox = serve(holding(row(1, NOON + 5, created=NOON), row(2, NOON + 4, created=NOON + 1)))
    assert ids(sandbox, sort_key="email", sort_order="asc") == [1, 2]


@pytest.mark.parametrize("axis", ["created", "updated"])
@pytest.mark.parametrize("table", TABLES)
def test_filters_compare_with_the_hidden_fractions(serve: Serve, axis: str, table: str) -> None:
    far = 900 * SECOND
    moments = {10: (NOON - 1) * SECOND + HIDDEN, 20: NOON * SECOND, 25: NOON * SECOND + HIDDEN, 30: NOON * SECOND + far}
    other = {"created_at": NOON * SECOND - far, "updated_at": NOON * SECOND + 2 * far}
    rows = [{"id": row_id, **other, f"{axis}_at": moment} for row_id, moment in moments.items()]
    sandbox = serve(holding(*rows, table=table))
    found = {how: sorted(ids(sandbox, table, **{f"{axis}[{how}]": NOON})) for how in ("eq", "lt", "lte", "gt", "gte")}
    assert found == {"eq": [20], "lt": [10], "lte": [10, 20], "gt": [25, 30], "gte": [20, 25, 30]}


def test_a_row_shown_as_a_second_can_lie_after_it(serve: Serve) -> None:
    sandbox = serve(holding({"id": 1, "created_at": NOON * SECOND + 1, "updated_at": NOON * SECOND + 1}))
    (shown,) = ask(sandbox, **{"created[gt]": NOON}).json()
    assert shown["created_at"] == "2023-11-14 22:13:20 +0000"
    assert ids(sandbox, **{"created[eq]": NOON}) == []


def test_filters_of_both_axes_hold_together(serve: Serve) -> None:
    rows = [row(index, NOON + index % 10, created=NOON - index // 10) for index in range(100)]
    bounds = {"created[gte]": NOON - 5, "created[lt]": NOON - 3, "updated[gt]": NOON + 6, "updated[lte]": NOON + 8}
    assert sorted(ids(serve(holding(*rows)), **bounds)) == [47, 48, 57, 58]


@pytest.mark.parametrize("sort_key", ["created_at", "updated_at"])
@pytest.mark.parametrize("sort_order", ["asc", "desc"])
def test_a_narrow_filter_does_not_change_the_order(serve: Serve, sort_key: str, sort_order: str) -> None:
    rows = [row(index, NOON + index * 7 % 50, created=NOON + index * 11 % 50) for index in range(50)]
    expected = sorted(
        (each for each in rows if each["created_at"] < (NOON + 4) * SECOND),
        key=lambda each: each[sort_key],
        reverse=sort_order == "desc",
    )
    found = ids(serve(holding(*rows)), **{"created[lt]": NOON + 4}, sort_key=sort_key, sort_order=sort_order)
    assert found == [each["id"] for each in expected]


def test_the_updated_filter_is_ignored_where_so_switched(serve: Serve) -> None:
    account = Account()
    for table in ("responses", "declines"):
        account.put(table, row(1))
    sandbox = serve(account, ignores_updated=frozenset({"declines"}))
    far = {"updated[gte]": NOON + 1}
    assert (ids(sandbox, "responses", **far), ids(sandbox, "declines", **far)) == ([], [1])
    assert ids(sandbox, "declines", **{"created[gte]": NOON + 1}) == []


def test_the_sort_key_is_ignored_where_so_switched(serve: Serve) -> None:
    account = Account()
    for table in ("responses", "end_users"):
        rows = [row(index, NOON - index, created=NOON + index, email=f"{index}@example.com") for index in range(2)]
        account.fill(table, rows)
    asked = {"sort_key": "updated_at", "sort_order": "asc"}
    ignoring = serve(account, ignores_sort_key=frozenset({"responses", "end_users"}))
    assert ids(serve(account), "responses", **asked) == [1, 0]
    assert ids(ignoring, "responses", **asked) == ids(ignoring, "end_users", **asked) == [0, 1]


def test_end_users_are_found_by_email(serve: Serve) -> None:
    rows = [row(index, email=f"person{index}@example.com") for index in range(3)]
    assert ids(serve(holding(*rows, table="end_users")), "end_users", email="person1@example.com") == [1]


def test_responses_are_found_by_whether_they_are_excluded(serve: Serve) -> None:
    sandbox = serve(holding(*[row(index, excluded_from_calculations=index == 1) for index in range(3)]))
    assert ids(sandbox, excluded_from_calculations="true") == [1]
    assert sorted(ids(sandbox, excluded_from_calculations="false")) == [0, 2]


def test_times_are_shown_in_the_accounts_zone_whose_offset_changes(serve: Serve) -> None:
    change = 1_699_174_800
    fields = {"last_surveyed": (change - 1) * SECOND, "last_seen_at": None}
    account = holding(row(1, change, created=change - 1, **fields), table="end_users", time_zone="America/Los_Angeles")
    (shown,) = ask(serve(account), "/v1/end_users").json()
    assert shown["created_at"] == shown["last_surveyed"] == "2023-11-05 01:59:59 -0700"
    assert shown["updated_at"] == "2023-11-05 01:00:00 -0800"
    assert shown["last_seen_at"] is None


def test_offsets_of_half_hours_are_shown(serve: Serve) -> None:
    (shown,) = ask(serve(holding(row(1), time_zone="Asia/Kolkata"))).json()
    assert shown["created_at"] == "2023-11-15 03:43:20 +0530"


def test_a_row_that_leaves_moves_the_rows_behind_it_up(many: Sandbox) -> None:
    ascending = {"sort_order": "asc", "per_page": 50}
    assert ids(many, **ascending)[-1] == 49
    many.account.delete("responses", 0)
    assert ids(many, page=2, **ascending)[0] == 51


def test_a_changed_row_moves_to_its_new_place(serve: Serve) -> None:
    sandbox = serve(holding(row(1, score=3), row(2, NOON + 1)))
    sandbox.account.change("responses", 1, (NOON + 2) * SECOND, score=9)
    first, second = ask(sandbox, sort_key="updated_at", sort_order="asc").json()
    assert (first["id"], second["id"], second["score"]) == (2, 1, 9)
    assert second["created_at"].startswith("2023-11-14 22:13:20")
