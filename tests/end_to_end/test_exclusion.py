"""What is left out: by which patterns, before what, and what the report says of patterns that do nothing."""

from pathlib import Path
from typing import Any

import pytest
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, access, first, row
from tests.script import Project, project_for
from tests.tables import loaded
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.sandbox import Account, Sandbox
from wootric_pipeline.tables import TABLES

ABOUT = {"SSN": "078-05-1120", "E-Mail Address": "a@example.com", "plan": "team", "Boss": {"SSN": "219-09-9999"}}
NAMED = {"properties__ssn", "properties__e_mail_address", "properties__plan", "properties__boss__ssn"}
IDLE = "The pattern {} of exclude_columns has matched nothing so far; check how it is written."
TAKEN_BACK = (
    "{0}: what exclude_columns left out before ({1}) is missing from the rows loaded then; --full-refresh --tables {0} "
    "loads them again."
)


@pytest.fixture
def account() -> Account:
    account = Account()
    account.put("end_users", row(1, email="a@example.com", phone_number="1", properties=ABOUT))
    account.put("responses", row(1, text="Fine.", tags=["a"], end_user={"properties": {"SSN": "1", "plan": "team"}}))
    return account


def run(pipeline: Pipeline, sandbox: Sandbox, *tables: str, full_refresh: bool = False, **arguments: Any) -> Run:
    notes = Run()
    source = source_for(notes, **access(sandbox), **arguments)
    load(pipeline, source, notes, tables or list(TABLES), full_refresh=full_refresh)
    return notes


PATTERNS = [
    ("*.Properties__Boss.SSN", {"properties__boss__ssn"}),
    ("*.*SSN", {"properties__ssn", "properties__boss__ssn"}),
    ("end_users.properties", NAMED),
    ("END_USERS.PROPERTIES__ssn", {"properties__ssn"}),
    ("*E-Mail*", {"properties__e_mail_address"}),
    ("*.Email*", {"email"}),
    ("end_users.properties.SSN", {"properties__ssn"}),
    ("end_users.properties__SSN", {"properties__ssn"}),
    ("end_users.properties__ssn", {"properties__ssn"}),
    ("*ssn", {"properties__ssn", "properties__boss__ssn"}),
    ("end_users.properties__E-Mail Address", {"properties__e_mail_address"}),
    ("*.email", {"email"}),
    ("end_users.properties.*", NAMED),
]


@pytest.mark.parametrize(
    ("pattern", "left_out", "properties"),
    [
        *((pattern, left_out, "columns") for pattern, left_out in PATTERNS[:6]),
        *first(*((pattern, left_out, "columns") for pattern, left_out in PATTERNS[6:])),
        *((pattern, left_out, "json") for pattern, left_out in PATTERNS[:2]),
        *first(*((pattern, left_out, "json") for pattern, left_out in PATTERNS[2:])),
    ],
)
def test_columns_are_left_out_as_they_are_named_and_as_keys_are_written(
    pipeline: Pipeline, account: Account, serve: Serve, pattern: str, left_out: set[str], properties: str
) -> None:
    notes = run(pipeline, serve(account), "end_users", exclude_columns=[pattern], properties=properties)
    (found,) = loaded(pipeline, "end_users").values()
    whole = {"id", "created_at", "updated_at", "email", "phone_number", *NAMED} - left_out
    if properties == "columns":
        assert set(found) == whole
    else:
        flat = str(found)
        assert ("078-05-1120" in flat, "219-09-9999" in flat, "team" in flat, "'phone_number': '1'" in flat) == (
            "properties__ssn" in whole,
            "properties__boss__ssn" in whole,
            "properties__plan" in whole,
            True,
        )
    assert notes.warnings == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "written",
    [
        'exclude_columns = ["end_users.phone_number", "*.properties__SSN"]',
        'exclude_columns = "end_users.phone_number, *.properties__SSN"',
    ],
)
def test_exclusions_may_be_a_list_or_a_text_in_a_file(
    account: Account, serve: Serve, tmp_path: Path, written: str
) -> None:
    project = project_for(serve(account), tmp_path)
    project.write(".dlt/config.toml", f"[sources.wootric]\n{written}\n")
    assert_two_are_left_out(project)


@pytest.mark.parametrize(
    "written",
    ["end_users.phone_number,*.properties__SSN", '["end_users.phone_number", "*.properties__SSN"]'],
)
def test_exclusions_may_be_a_list_or_a_text_in_the_environment(
    account: Account, serve: Serve, tmp_path: Path, written: str
) -> None:
    project = project_for(serve(account), tmp_path, exclude_columns=written)
    assert_two_are_left_out(project)


def test_exclusions_of_the_command_line_add_to_those_of_the_settings(
    account: Account, serve: Serve, tmp_path: Path
) -> None:
    project = project_for(serve(account), tmp_path, exclude_columns="end_users.phone_number")
    assert_two_are_left_out(project, "--exclude-columns", "*.properties__SSN")


@pytest.mark.parametrize(
    "pattern", first("*__tags.value", "responses__tags.value", "Responses__Tags.VALUE", "responses__tags.*")
)
def test_a_child_table_may_be_named(pipeline: Pipeline, account: Account, serve: Serve, pattern: str) -> None:
    sandbox = serve(account)
    notes = run(pipeline, sandbox, "responses", exclude_columns=[pattern])
    assert (notes.rows, notes.warnings) == (1, [])
    assert "responses__tags" not in pipeline.default_schema.tables
    assert run(pipeline, sandbox, "responses").warnings == [TAKEN_BACK.format("responses", "tags")]


def assert_two_are_left_out(project: Project, *words: str) -> None:
    outcome = project.run("--tables", "end_users", *words)
    assert (outcome.code, outcome.stderr) == (0, "")
    columns = {column for (column, *_) in project.ask("DESCRIBE wootric.end_users")}
    assert NAMED - columns == {"properties__ssn"}
    assert "phone_number" not in columns


@pytest.mark.parametrize("written", ["exclude_columns = 5", "exclude_columns = [1]", 'exclude_columns = "responses"'])
@pytest.mark.parametrize("words", first([], ["--check"]))
def test_exclusions_that_name_no_columns_are_refused(
    account: Account, serve: Serve, tmp_path: Path, words: list[str], written: str
) -> None:
    project = project_for(serve(account), tmp_path)
    project.write(".dlt/config.toml", f"[sources.wootric]\n{written}\n")
    outcome = project.run(*words)
    assert (outcome.code, outcome.stdout) == (2, "")
    assert outcome.sentence.startswith(
        (
            "exclude_columns must name columns as in responses.ip_address, or all that are personal, not ",
            "exclude_columns must be a list such as",
        )
    )


@pytest.mark.parametrize(
    ("table", "fields", "pattern"),
    [
        ("end_users", {"external_created_at": "some day"}, "end_users.external_created_at"),
        ("responses", {"ip_address": {"odd": 1}}, "*.ip_address"),
        ("responses", {"score": "N/A"}, "responses.SCORE"),
    ],
)
def test_what_is_left_out_is_not_checked(
    pipeline: Pipeline, serve: Serve, table: str, fields: dict[str, Any], pattern: str
) -> None:
    account = Account()
    account.put(table, row(1, **fields))
    notes = run(pipeline, serve(account), table, exclude_columns=[pattern])
    assert notes.table(table).error is None
    assert {row_id: set(found) for row_id, found in loaded(pipeline, table).items()} == {
        1: {"id", "created_at", "updated_at"}
    }


def test_what_is_left_out_does_not_stop_a_check(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.put("responses", row(1, score="N/A"))
    project = project_for(serve(account), tmp_path, exclude_columns="responses.score")
    assert (outcome := project.run("--check")).code == 0, outcome.stderr


def test_when_a_row_was_created_can_be_left_out(pipeline: Pipeline, serve: Serve) -> None:
    account = Account()
    account.fill("responses", [row(each, NOON + each) for each in range(120)])
    run(pipeline, serve(account), "responses", exclude_columns=["responses.created_at"])
    assert {tuple(sorted(found)) for found in loaded(pipeline, "responses").values()} == {("id", "updated_at")}


def test_a_pattern_that_matches_nothing_is_a_warning(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    patterns = ["end_users.properties__snn", "*.properties__SSN", "responses.new_field*", "declines.ip_address"]
    patterns += ["*.end_user__properties__*", "declines.end_user__properties__nobody_has_declined"]
    idle = [IDLE.format("end_users.properties__snn"), IDLE.format("responses.new_field*")]
    assert sorted(run(pipeline, sandbox, exclude_columns=patterns).warnings) == idle
    # Of the second run, which reads next to nothing, as of the first.
    assert sorted(run(pipeline, sandbox, exclude_columns=patterns).warnings) == idle
    assert run(pipeline, sandbox, "responses", exclude_columns=patterns).warnings == idle[1:]


def test_a_pattern_for_what_was_loaded_before_is_no_warning(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    assert run(pipeline, sandbox).warnings == []
    # A run in which no row comes that has it.
    account.put("end_users", row(2, NOON + 10_000))
    run(pipeline, sandbox)
    assert run(pipeline, sandbox, exclude_columns=["end_users.properties__SSN"]).warnings == []


def test_a_pattern_is_not_judged_by_a_part_of_its_tables(pipeline: Pipeline, account: Account, serve: Serve) -> None:
    sandbox = serve(account)
    assert run(pipeline, sandbox, "responses", exclude_columns=["*.properties__no"]).warnings == []
    of_a_range: dict[str, Any] = {"start_date": "2020-01-01", "end_date": "2020-01-02"}
    assert run(pipeline, sandbox, exclude_columns=["*.properties__no"], **of_a_range).warnings == []
    assert run(pipeline, sandbox, exclude_columns=["*.properties__no"]).warnings == [IDLE.format("*.properties__no")]


@pytest.mark.slow
def test_the_report_tells_an_idle_pattern(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path, exclude_columns="end_users.properties__snn")
    outcome = project.run()
    assert (outcome.code, outcome.stderr) == (0, "")
    assert f"Warning: {IDLE.format('end_users.properties__snn')}" in outcome.stdout.splitlines()
    assert project.run("--json").report["warnings"] == [IDLE.format("end_users.properties__snn")]


@pytest.mark.slow
def test_an_exclusion_taken_back_is_told_until_a_full_refresh(
    pipeline: Pipeline, account: Account, serve: Serve
) -> None:
    sandbox = serve(account)
    patterns = ["responses.tags", "end_users.properties__SSN", "end_users.external_id"]
    assert run(pipeline, sandbox, exclude_columns=patterns).warnings == []
    # Left out as well, by another pattern; and what never had a value is not missed.
    assert run(pipeline, sandbox, exclude_columns=["*.tags", "end_users.*ssn"]).warnings == []
    told = [TAKEN_BACK.format("responses", "tags")]
    assert run(pipeline, sandbox, exclude_columns=["end_users.*ssn"]).warnings == told
    told.insert(0, TAKEN_BACK.format("end_users", "properties__boss__ssn, properties__ssn"))
    assert sorted(run(pipeline, sandbox).warnings) == told
    assert run(pipeline, sandbox, "responses", full_refresh=True).warnings == []
    assert run(pipeline, sandbox).warnings == told[:1]
    query = "SELECT value FROM responses__tags"
    with pipeline.sql_client() as client:
        assert client.execute_sql(query) == [("a",)]
