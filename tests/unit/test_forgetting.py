"""Who is forgotten, as the state keeps it, and what of rows is not loaded of them."""

from copy import deepcopy
from typing import Any

import pytest
from dlt import Schema
from hypothesis import given
from hypothesis import strategies as st

from wootric_pipeline.forgetting import FORGOTTEN, PEOPLE, Forgotten, forgotten_in, tells_of_people
from wootric_pipeline.tables import DECLINES, END_USERS, RESPONSES, TABLES, Table

IDS = st.sets(st.integers(0, 2**63 - 1), max_size=20)


@given(IDS, IDS, IDS)
def test_people_are_forgotten_until_they_are_remembered(first: set[int], more: set[int], back: set[int]) -> None:
    kept = Forgotten(Forgotten().added(first)).added(more)
    forgotten = Forgotten(kept)
    assert {each for each in first | more | back if each in forgotten} == first | more
    left = Forgotten(forgotten.without(back) or None)
    assert {each for each in first | more | back if each in left} == (first | more) - back
    assert bool(left) == bool((first | more) - back)


def test_what_is_the_same_is_kept_as_the_same() -> None:
    kept = Forgotten().added([3, 1, 2])
    assert Forgotten(kept).added([1, 2, 3]) == kept
    assert Forgotten(kept).without([]) == kept
    assert Forgotten(kept).without([1, 2, 3]) == {}
    assert Forgotten().added([1])[PEOPLE] != Forgotten().added([1])[PEOPLE]
    assert 1 in forgotten_in({"sources": {"wootric": {FORGOTTEN: kept}}}, "wootric")
    assert not any(forgotten_in(state, "wootric") for state in (None, {}, {"sources": {"other": {FORGOTTEN: kept}}}))


def test_an_id_is_known_however_it_is_written() -> None:
    forgotten = Forgotten(Forgotten().added([7]))
    assert [each in forgotten for each in (7, "7", 7.0, " 7.0 ")] == [True] * 4
    assert not any(each in forgotten for each in (8, "77", 7.5, None, True, [7], {"id": 7}, "", 10**30))


FIELDS: dict[str, Any] = {
    "created_at": "2024-01-01", "updated_at": "2024-01-02", "score": 3, "tags": ["a"], "new_field": 1,
}  # fmt: skip
TELLING: dict[str, Any] = {
    "text": "canary", "ip_address": {"odd": 1}, "origin_url": "canary", "notes": ["canary"],
    "end_user": {"id": 7, "email": "canary", "properties": {"plan": "canary"}, "more": ["canary"]},
}  # fmt: skip


@pytest.mark.parametrize("table", [RESPONSES, DECLINES])
def test_rows_of_who_is_forgotten_come_without_what_tells_of_them(table: Table) -> None:
    forgetting = Forgotten(Forgotten().added([7])).of(table, Schema("wootric"))
    row = {"id": 1, "end_user_id": 7, **FIELDS, **deepcopy(TELLING)}
    other = {**row, "end_user_id": 8}
    told = {name: value for name, value in TELLING.items() if table is RESPONSES or name not in ("text", "notes")}
    unknown = {name: value for name, value in TELLING.items() if name not in told}
    assert forgetting.left(deepcopy(row)) == {"id": 1, "end_user_id": 7, **FIELDS, **unknown}
    assert forgetting.left(deepcopy(other)) == other
    assert [forgetting.keeps(each) for each in (row, other)] == [True, True]


def test_rows_of_people_who_are_forgotten_are_left_out_as_soon_as_they_are_read() -> None:
    forgetting = Forgotten(Forgotten().added([7])).of(END_USERS, Schema("wootric"))
    row = {
        "id": 7, "created_at": "2024-01-01", "updated_at": "2024-01-02", "email": "canary", "phone_number": "canary",
        "properties": {"plan": "canary"}, "last_response": {"id": 9, "score": 0, "text": "canary"},
    }  # fmt: skip
    # Lists may be in the order of e-mail addresses, which reading has to see.
    needed = {name: row[name] for name in ("id", "created_at", "updated_at", "email")}
    assert forgetting.left(deepcopy(row)) == needed
    assert forgetting.left({**row, "id": 8}) == {**row, "id": 8}
    assert [forgetting.keeps({**row, "id": each}) for each in (7, 8)] == [False, True]
    odd: list[Any] = [None, "x", [], 7]
    for answer in odd:
        assert forgetting.left(answer) == answer


def test_what_tells_of_people_is_cleared_in_whatever_column_it_is() -> None:
    cleared = {
        name: [
            column for column in (*table.documented, *table.lists, *table.properties) if tells_of_people(table, column)
        ]
        for name, table in TABLES.items()
        if table is not END_USERS
    }
    assert cleared == {
        "responses": ["text", "ip_address", "origin_url", "end_user__email", "notes", "end_user__properties"],
        "declines": ["ip_address", "origin_url", "end_user__properties"],
    }
    for column in ("text__v_bigint", "end_user__properties__plan", "end_user__email__v_text", "end_user__x__y"):
        assert tells_of_people(RESPONSES, column)
    for column in ("id", "end_user_id", "tags", "score", "survey_id", "_dlt_id", "texts", "created_at"):
        assert not tells_of_people(RESPONSES, column)
