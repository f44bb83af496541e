"""The demo account: the same rows for the same seed, with everything in them that real accounts have."""

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.conftest import NOON
from wootric_pipeline.sandbox import SECOND, DemoAccount, Row
from wootric_pipeline.sandbox.demo_account import HISTORY_YEARS, LANGUAGES, YEAR_SECONDS

FIELDS = {
    "end_users": "id created_at updated_at email last_surveyed external_created_at last_seen_at properties "
    "phone_number external_id last_response.id last_response.score last_response.text last_response.survey.channel "
    "settings.email_nps settings.mobile_nps settings.web_nps settings.force_mobile_survey settings.force_web_survey "
    "settings.surveys_disabled_by_end_user user_id page_views_count",
    "responses": "id end_user_id survey_id score text completed excluded_from_calculations ip_address origin_url "
    "created_at updated_at tags notes end_user.properties",
    "declines": "id end_user_id survey_id ip_address origin_url created_at updated_at end_user.properties",
}
CLOCKS_GO_BACK = 1_699_174_800
"""2023-11-05 09:00:00 UTC, in Los Angeles."""


@pytest.fixture(scope="module")
def demo() -> DemoAccount:
    return DemoAccount(NOON)


def small(ends_at: int = NOON, *, seed: int = 7, end_users: int = 40, responses: int = 60) -> DemoAccount:
    return DemoAccount(ends_at, end_users, responses, declines=30, seed=seed)


def every_row(account: DemoAccount) -> Iterator[Row]:
    for rows in account.rows.values():
        yield from rows.values()


def value(row: Row, path: str) -> Any:
    found: Any = row
    for name in path.split("."):
        found = found[name] if found else None
    return found


def test_it_has_20_000_rows(demo: DemoAccount) -> None:
    assert {table: len(rows) for table, rows in demo.rows.items()} == {
        "end_users": 5_000,
        "responses": 10_000,
        "declines": 5_000,
    }


def test_the_same_seed_gives_the_same_rows() -> None:
    assert small().rows == small().rows
    assert small().rows != small(seed=8).rows


@pytest.mark.parametrize("table", FIELDS)
def test_every_documented_field_is_there_and_has_values(demo: DemoAccount, table: str) -> None:
    rows = demo.rows[table].values()
    paths = FIELDS[table].split()
    assert {name for row in rows for name in row} == {path.partition(".")[0] for path in paths}
    for path in paths:
        assert any(value(row, path) not in (None, []) for row in rows), path


def test_fields_that_can_be_null_sometimes_are(demo: DemoAccount) -> None:
    users, responses = demo.rows["end_users"].values(), demo.rows["responses"].values()
    for name in ("last_surveyed", "external_created_at", "phone_number", "external_id", "last_response"):
        assert any(row[name] is None for row in users), name
    assert any(row["text"] is None for row in responses)
    assert {type(value) for row in users for value in row["properties"].values()} == {str, int, type(None)}


def test_every_survey_row_belongs_to_an_end_user_who_was_there_before(demo: DemoAccount) -> None:
    users = demo.rows["end_users"]
    for table in ("responses", "declines"):
        for row in demo.rows[table].values():
            assert users[row["end_user_id"]]["created_at"] <= row["created_at"]


@pytest.mark.parametrize("ends_at", [NOON, CLOCKS_GO_BACK + 600])
def test_all_of_it_lies_in_the_history(ends_at: int) -> None:
    account = DemoAccount(ends_at)
    first = (ends_at - HISTORY_YEARS * YEAR_SECONDS - 3_600) * SECOND
    for row in every_row(account):
        assert first <= row["created_at"] <= row["updated_at"] < ends_at * SECOND


def test_times_have_hidden_fractions(demo: DemoAccount) -> None:
    hidden = sum(row["created_at"] % SECOND > 0 for row in every_row(demo))
    assert hidden > 19_000


def test_both_hours_of_a_clock_change_have_rows(demo: DemoAccount) -> None:
    seconds = {row["created_at"] // SECOND for row in every_row(demo)}
    for hour_starts in (CLOCKS_GO_BACK - 3_600, CLOCKS_GO_BACK):
        assert any(hour_starts <= second < hour_starts + 3_600 for second in seconds)
    shown = {demo.shown(row)["created_at"][-5:] for row in every_row(demo)}
    assert shown == {"-0700", "-0800"}


def test_an_import_gave_many_end_users_one_second(demo: DemoAccount) -> None:
    imported = [row["created_at"] for row in demo.rows["end_users"].values() if row["id"] % 17 == 1_000 % 17]
    assert len(imported) > 290
    assert len(set(imported)) == 1


def test_people_answer_in_several_languages(demo: DemoAccount) -> None:
    texts = {row["text"] for row in demo.rows["responses"].values()}
    for language, sentences in LANGUAGES.items():
        assert texts & set(sentences), language


def test_events_go_on_behind_the_history() -> None:
    account, now = small(), NOON + 600
    before = {table: dict(rows) for table, rows in account.rows.items()}
    account.advance(now)
    changed = [
        row for table, rows in account.rows.items() for row in rows.values() if before[table].get(row["id"]) != row
    ]
    assert {table for table, rows in account.rows.items() if rows.keys() - before[table]} == set(before)
    assert len(changed) > 50
    assert all(NOON * SECOND <= row["updated_at"] < now * SECOND for row in changed)


def test_advancing_again_to_the_same_moment_changes_nothing() -> None:
    account = small()
    account.advance(NOON + 600)
    before = {table: dict(rows) for table, rows in account.rows.items()}
    account.advance(NOON + 600)
    account.advance(NOON + 300)
    assert account.rows == before


def test_the_steps_in_which_time_advances_do_not_matter() -> None:
    at_once, in_steps = small(), small()
    at_once.advance(NOON + 600)
    for second in range(0, 601, 7):
        in_steps.advance(NOON + second)
    in_steps.advance(NOON + 600)
    assert in_steps.rows == at_once.rows


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("end_users", "responses"), [(40, 60), (40, 0), (0, 0)])
def test_events_go_on_for_hours_whatever_the_account_began_with(end_users: int, responses: int, seed: int) -> None:
    account = small(end_users=end_users, responses=responses, seed=seed)
    account.advance(NOON + 10_000)
    assert all(account.rows.values())
    assert all(row["created_at"] <= row["updated_at"] for row in every_row(account))


def test_the_history_ends_where_it_is_said_to() -> None:
    newest = max(row["updated_at"] for row in every_row(small()))
    assert datetime.fromtimestamp(newest / SECOND, timezone.utc) < datetime.fromtimestamp(NOON, timezone.utc)
