"""Columns that are hashed: what is loaded in their place, what is refused, and what the report says of older rows."""

from pathlib import Path
from typing import Any

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, access, first, row
from tests.script import Project, project_for
from tests.tables import loaded
from tests.unit.test_hashing import KEY, hashed
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.descriptions import descriptions
from wootric_pipeline.hashing import DESCRIBED
from wootric_pipeline.sandbox import Account, Sandbox
from wootric_pipeline.tables import TABLES

OTHER_KEY = "another key of some length"
NO_KEY = (
    "hash_columns needs a hash_key, a secret text of 16 characters or more, the same in every run; put it into "
    ".dlt/secrets.toml, under [sources.wootric]."
)
AGAIN = "--full-refresh --tables {0} loads them again."
PLAIN = "{0}: rows loaded before still hold as it was what hash_columns names now ({1}); " + AGAIN
STILL_HASHED = "{0}: rows loaded before are hashed where hash_columns names nothing now ({1}); " + AGAIN
OTHERWISE = (
    "{0}: rows loaded before are hashed with another hash_key or hash_normalized_emails and join with none; " + AGAIN
)


@pytest.fixture
def account() -> Account:
    account = Account()
    answer = {"id": 2, "score": 9, "text": "Fine."}
    about = {"SSN": 5, "plan": "team"}
    account.put("end_users", row(1, email="Ann@x.com", phone_number=None, properties=about, last_response=answer))
    person = {"email": " ann@x.com", "properties": {"SSN": "5"}}
    account.put("responses", row(2, end_user_id=1, text="Fine.", score=9, tags=["a"], end_user=person))
    account.put("responses", row(3, NOON + 1, end_user_id=1, text="", score=0))
    return account


def run(pipeline: Pipeline, sandbox: Sandbox, *tables: str, full_refresh: bool = False, **arguments: Any) -> Run:
    notes = Run()
    arguments = {"hash_key": KEY, **arguments}
    load(
        pipeline,
        source_for(notes, **access(sandbox), **arguments),
        notes,
        tables or [*TABLES],
        full_refresh=full_refresh,
    )
    return notes


def of_rows(pipeline: Pipeline, table: str) -> list[dict[str, Any]]:
    """The rows of a table in the order of their ids, without ids and times."""
    common = ("id", "created_at", "updated_at")
    rows = sorted(loaded(pipeline, table).items())
    return [{name: value for name, value in found.items() if name not in common} for _, found in rows]


def test_hashed_columns_join_across_tables(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    patterns = ["personal", "responses.tags", "*.*SSN"]
    notes = run(pipeline, serve(account), hash_columns=patterns, hash_normalized_emails=True)
    assert (notes.ok, notes.warnings) == (True, [])
    assert of_rows(pipeline, "end_users") == [
        {
            "email": hashed("ann@x.com"),
            "properties__ssn": hashed("5"),
            "properties__plan": "team",
            "last_response__id": 2,
            "last_response__score": 9,
            "last_response__text": hashed("Fine."),
        }
    ]
    answer = {
        "end_user_id": 1,
        "text": hashed("Fine."),
        "score": 9,
        "end_user__email": hashed("ann@x.com"),
        "end_user__properties__ssn": hashed("5"),
        "tags": [hashed("a")],
    }
    assert of_rows(pipeline, "responses") == [answer, {"end_user_id": 1, "text": "", "score": 0}]
    query = (
        "SELECT responses.id FROM responses JOIN end_users ON end_user__email = email AND text = last_response__text"
    )
    with pipeline.sql_client() as client:
        assert client.execute_sql(query) == [(2,)]
        of_phones = (
            "SELECT comment FROM duckdb_columns() WHERE (schema_name, column_name) = ('wootric', 'phone_number')"
        )
        assert client.execute_sql(of_phones) == [(descriptions("end_users")["phone_number"] + DESCRIBED,)]


def test_what_is_excluded_as_well_is_left_out(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    notes = run(pipeline, sandbox, "end_users", hash_columns="personal", exclude_columns=["*.email", "*ssn"])
    assert notes.warnings == []
    assert of_rows(pipeline, "end_users") == [
        {
            "properties__plan": "team",
            "last_response__id": 2,
            "last_response__score": 9,
            "last_response__text": hashed("Fine."),
        }
    ]


def test_the_word_for_all_that_is_personal_leaves_it_out(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    account.put("declines", row(4, ip_address="1", end_user={"email": "ann@x.com", "properties": {"plan": "team"}}))
    assert run(pipeline, serve(account), exclude_columns="personal").warnings == []
    assert of_rows(pipeline, "declines") == [{"end_user__properties__plan": "team"}]
    assert of_rows(pipeline, "end_users") == [
        {"properties__ssn": 5, "properties__plan": "team", "last_response__id": 2, "last_response__score": 9}
    ]


@pytest.mark.slow
@pytest.mark.parametrize("properties", ["columns", "json"])
def test_rows_loaded_before_are_told_of_until_a_full_refresh(
    pipeline: Pipeline, account: Account, serve: Serve, properties: str
) -> None:
    sandbox = serve(account)
    names = {"columns": "email, properties__ssn", "json": "email"}[properties]
    hashing: dict[str, Any] = {"properties": properties, "hash_columns": ["end_users.email", "*ssn"]}
    assert run(pipeline, sandbox, "end_users", properties=properties).warnings == []
    for _ in range(2):
        # Of the second run, which reads the row again and does not load it.
        assert run(pipeline, sandbox, "end_users", **hashing).warnings == [PLAIN.format("end_users", names)]
    assert run(pipeline, sandbox, "end_users", properties=properties).warnings == [
        STILL_HASHED.format("end_users", names)
    ]
    assert run(pipeline, sandbox, "end_users", full_refresh=True, **hashing).warnings == []
    assert run(pipeline, sandbox, "end_users", **hashing).warnings == []
    for other in ({"hash_key": OTHER_KEY}, {"hash_normalized_emails": True}):
        changed = run(pipeline, sandbox, "end_users", **{**hashing, **other})
        assert changed.warnings == [OTHERWISE.format("end_users")]
    assert run(pipeline, sandbox, "end_users", **hashing).warnings == [OTHERWISE.format("end_users")]


def test_a_key_inside_a_json_column_is_told_of_by_its_pattern(
    pipeline: Pipeline, account: Account, serve: Serve
) -> None:
    sandbox = serve(account)
    run(pipeline, sandbox, "end_users", properties="json")
    warnings = run(pipeline, sandbox, "end_users", properties="json", hash_columns="end_users.*ssn").warnings
    assert warnings == [PLAIN.format("end_users", "end_users.*ssn")]


def test_a_table_without_rows_is_not_told_of(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    assert run(pipeline, sandbox, "declines").warnings == []
    assert run(pipeline, sandbox, "declines", hash_columns="personal").warnings == []
    assert run(pipeline, sandbox, "declines", hash_columns="personal", hash_key=OTHER_KEY).warnings == []


def test_other_hashes_are_loaded_at_once(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    for key in (KEY, OTHER_KEY):
        for rows in (2, 0):
            assert run(pipeline, sandbox, "responses", hash_columns="*.text", hash_key=key).rows == rows
        assert [found["text"] for found in of_rows(pipeline, "responses")] == [hashed("Fine.", key), ""]


def test_a_pattern_that_matches_nothing_is_a_warning(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    idle = ["The pattern end_users.*snn of hash_columns has matched nothing so far; check how it is written."]
    for _ in range(2):
        hashing: dict[str, Any] = {"hash_columns": ["end_users.*snn", "end_users.*ssn"], "properties": "json"}
        assert run(pipeline, sandbox, **hashing).warnings == idle


@pytest.mark.parametrize(
    ("before", "after", "known", "wanted"),
    [((), "responses.score", "bigint", "text"), ("responses.score", (), "text", "bigint")],
)
def test_a_column_that_cannot_become_one_of_hashes_is_refused(
    pipeline: Pipeline, account: Account, serve: Serve, before: Any, after: Any, known: str, wanted: str
) -> None:
    sandbox = serve(account)
    run(pipeline, sandbox, "responses", hash_columns=before)
    rows = of_rows(pipeline, "responses")
    sentence = (
        f"responses.score was loaded as {known} before, and hash_columns would make it {wanted} now; leave "
        "hash_columns as it was there, exclude the column, or choose another --dataset."
    )
    with pytest.raises(PipelineStepFailed, match=sentence.replace(".", "[.]")):
        run(pipeline, sandbox, "responses", hash_columns=after)
    assert of_rows(pipeline, "responses") == rows
    excluded = run(pipeline, sandbox, "responses", hash_columns=after, exclude_columns="responses.score")
    assert excluded.table("responses").complete


def test_a_value_that_would_not_fit_is_hashed_into_the_column(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.put("responses", row(1, score="N/A"))
    project = project_for(serve(account), tmp_path, hash_columns="responses.score", hash_key=KEY)
    outcome = project.run("--json", "--tables", "responses")
    assert (outcome.code, outcome.report["warnings"]) == (0, [])
    assert project.ask("SELECT score FROM wootric.responses") == [(hashed("N/A"),)]


@pytest.mark.parametrize("words", first((), (("--check",),)))
@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, NO_KEY),
        ({"hash_key": "<configure me>"}, NO_KEY),
        ({"hash_key": "canary-too-short"[:15]}, "hash_key must have 16 characters or more."),
        (
            {"hash_key": KEY, "hash_columns": "responses.id"},
            "hash_columns must leave responses.id, which reading and joins need.",
        ),
        (
            {"hash_key": KEY, "hash_columns": "[5]"},
            'hash_columns must be a list such as ["responses.ip_address", "end_users.email"].',
        ),
    ],
)
def test_mistakes_are_told_in_a_sentence_before_anything_is_read(
    serve: Serve, tmp_path: Path, settings: dict[str, str], sentence: str, words: tuple[str, ...]
) -> None:
    sandbox = serve(Account())
    project = project_for(sandbox, tmp_path, **{"hash_columns": "responses.text", **settings})
    outcome = project.run(*words)
    assert (outcome.code, outcome.stdout, outcome.sentence) == (2, "", sentence)
    assert sandbox.requests == []


def test_settings_may_be_in_files(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path)
    of_source = "[sources.wootric]\n"
    project.write(".dlt/config.toml", f'{of_source}hash_columns = ["*.*email"]\nhash_normalized_emails = true\n')
    project.write(".dlt/secrets.toml", f'{of_source}hash_key = "{KEY}"\n')
    outcome = project.run()
    assert (outcome.code, outcome.stderr) == (0, "")
    assert emails(project) == [(hashed("ann@x.com"), hashed("ann@x.com"))]


def emails(project: Project) -> list[tuple[Any, ...]]:
    return project.ask(
        "SELECT email, end_user__email FROM wootric.end_users JOIN wootric.responses ON end_users.id = end_user_id "
        "WHERE responses.id = 2"
    )
