"""The form of what is loaded: columns that are excluded, and free-form properties whatever their keys and types."""

import gzip
from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, access, row
from tests.script import project_for
from tests.tables import loaded
from wootric_pipeline import wootric_source
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.sandbox import Account, Sandbox
from wootric_pipeline.tables import TABLES

SECRET, KEPT = "a value that must be nowhere", "a value that is kept"


def run(pipeline: Pipeline, sandbox: Sandbox, **arguments: Any) -> None:
    notes = Run()
    load(pipeline, source_for(notes, **access(sandbox), **arguments), notes, list(TABLES))


def tables(pipeline: Pipeline) -> set[str]:
    query = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'wootric'"
    with pipeline.sql_client() as client:
        return {name for (name,) in client.execute_sql(query) or [] if not name.startswith("_dlt")}


@pytest.mark.parametrize("tags", [[], ["a"]])
def test_an_excluded_list_leaves_no_table(pipeline: Pipeline, serve: Serve, tags: list[str]) -> None:
    account = Account()
    account.put("responses", row(1, tags=tags, notes=tags))
    run(pipeline, serve(account), exclude_columns=["responses.tags", "*.notes"])
    assert tables(pipeline) == set(TABLES)
    assert set(loaded(pipeline, "responses")[1]) == {"id", "created_at", "updated_at"}


def files_with(text: str, folder: Path) -> set[str]:
    """The kinds of files a text is in, packed or not."""
    contents = ((file, file.read_bytes()) for file in folder.rglob("*") if file.is_file())
    unpacked = ((file, gzip.decompress(found) if file.suffix == ".gz" else found) for file, found in contents)
    return {file.suffix for file, found in unpacked if text.encode() in found}


@pytest.mark.parametrize("properties", ["columns", "json"])
def test_excluded_values_are_never_on_a_disk(serve: Serve, tmp_path: Path, properties: str) -> None:
    account = Account()
    about = {"Home Town": SECRET, "plan": KEPT, "contacts": [{"email": SECRET}, {"plan": KEPT, "nested": [[SECRET]]}]}
    account.put("end_users", row(1, email=SECRET, phone_number=SECRET, properties=about))
    person = {"email": SECRET, "name": KEPT, "properties": about}
    account.put("responses", row(1, text=KEPT, tags=[SECRET], ip_address=SECRET, end_user=person))
    patterns = ["*.ip_address", "*.*email", "end_users.phone_*", "responses.tags"]
    patterns += ["*properties__home_town", "*properties__contacts__nested"]
    sandbox = serve(account)
    source = wootric_source(**access(sandbox), properties=properties, exclude_columns=patterns)
    pipeline = dlt.pipeline("wootric_pipeline", destination="duckdb", dataset_name="wootric")
    seen: set[str] = set()
    for step in (lambda: pipeline.extract(source), pipeline.normalize, pipeline.load):
        step()
        assert files_with(SECRET, tmp_path) == set()
        seen |= files_with(KEPT, tmp_path)
    assert seen == {".gz", ".parquet", ".duckdb"}
    assert KEPT in str(loaded(pipeline, "end_users"))


@pytest.mark.slow
def test_a_column_excluded_later_keeps_its_values_until_rows_are_loaded_again(pipeline: Pipeline, serve: Serve) -> None:
    account = Account()
    sandbox = serve(account)
    for row_id in (1, 2):
        account.put("end_users", row(row_id, NOON - 1_000 * row_id, email="old@example.com"))
    run(pipeline, sandbox)
    account.put("end_users", row(1, NOON + 1, email="new@example.com"))
    run(pipeline, sandbox, exclude_columns=["end_users.email"])
    emails = {row_id: found.get("email") for row_id, found in loaded(pipeline, "end_users").items()}
    assert emails == {1: None, 2: "old@example.com"}
    notes = Run()
    source = source_for(notes, **access(sandbox), exclude_columns=["end_users.email"])
    load(pipeline, source, notes, ["end_users"], full_refresh=True)
    with pipeline.sql_client() as client:
        described = client.execute_sql("DESCRIBE end_users") or []
    assert "email" not in [column[0] for column in described]


CHANGED_TYPES: list[tuple[Any, Any, dict[str, Any]]] = [
    (7, "007", {"": 7, "__v_text": "007"}),
    (7, " 8 ", {"": 7, "__v_text": " 8 "}),
    (7, True, {"": 7, "__v_bool": True}),
    (1.5, "1e3", {"": 1.5, "__v_text": "1e3"}),
    (True, 30, {"": True, "__v_double": 30}),
    (True, 0.5, {"": True, "__v_double": 0.5}),
    (True, "yes", {"": True, "__v_text": "yes"}),
    (7, [8, "a"], {"": 7, "__v_text": '[8, "a"]'}),
    (0.5, 2**53 + 1, {"": 0.5, "__v_text": str(2**53 + 1)}),
    (0.5, 10**30 + 1, {"": 0.5, "__v_text": str(10**30 + 1)}),
    # What it says is kept by a text.
    ("7", 8, {"": "8"}),
]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_value_of_another_type_is_not_made_one_of_the_first(pipeline: Pipeline, serve: Serve, at_once: bool) -> None:
    account = Account()
    sandbox = serve(account)
    for row_id in (0, 1):
        properties = {f"key{index}": case[row_id] for index, case in enumerate(CHANGED_TYPES)}
        account.put("end_users", row(row_id, NOON + row_id * 2_000, properties=properties))
        # The next run begins five minutes before this row, and sees nothing of the first.
        account.put("end_users", row(10 + row_id, NOON + row_id * 2_000 + 1_000))
        if row_id or not at_once:
            run(pipeline, sandbox)
    for index, (_first, _second, kept) in enumerate(CHANGED_TYPES):
        names = ", ".join(f"max(properties__key{index}{suffix})" for suffix in kept)
        with pipeline.sql_client() as client:
            found = client.execute_sql(f"SELECT {names} FROM end_users") or []
        assert dict(zip(kept, found[0], strict=True)) == kept


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [True, False])
def test_numbers_of_one_property_are_one_column(pipeline: Pipeline, serve: Serve, at_once: bool) -> None:
    account = Account()
    sandbox = serve(account)
    revenues = [100, 0.5, 2_000_000, 12.25, -3]
    for index, revenue in enumerate(revenues):
        account.put("end_users", row(index, NOON + index * 1_000, properties={"revenue": revenue}))
        if not at_once or index == len(revenues) - 1:
            run(pipeline, sandbox)
    with pipeline.sql_client() as client:
        found = client.execute_sql("SELECT avg(properties__revenue), count(properties__revenue) FROM end_users")
        columns = client.execute_sql("DESCRIBE end_users") or []
    assert found == [(sum(revenues) / 5, 5)]
    named = [(name, data_type) for name, data_type, *_ in columns if name.startswith("properties__")]
    assert named == [("properties__revenue", "DOUBLE")]


def test_a_dataset_of_files_keeps_its_form(serve: Serve, tmp_path: Path) -> None:
    account, bucket = Account(), tmp_path / "bucket"
    account.put("responses", row(1))
    sandbox = serve(account)
    project = project_for(sandbox, tmp_path / "project", files="jsonl", tables="responses")
    project.environment |= {"DESTINATION__FILESYSTEM__BUCKET_URL": str(bucket)}
    assert project.run("--destination", "filesystem").code == 0
    before = sorted(bucket.rglob("*"))
    account.put("responses", row(2, NOON + 1))
    project.set(files="parquet")
    said = 'The dataset holds files = "jsonl", and a dataset has one form; set that again, or choose another dataset'
    # Also where the working folder knows nothing.
    for words, folder in (((), "dlt"), (("--full-refresh", "--yes"), "dlt"), ((), "other")):
        outcome = project.run("--destination", "filesystem", *words, DLT_DATA_DIR=str(project.folder / folder))
        assert (outcome.code, outcome.sentence) == (2, f"{said} with --dataset.")
    to = dlt.destinations.filesystem(str(bucket))
    pipeline = dlt.pipeline("wootric_pipeline", destination=to, dataset_name="wootric")
    with pytest.raises(PipelineStepFailed, match=said):
        pipeline.run(wootric_source(**access(sandbox), files="parquet").with_resources("responses"))
    assert sorted(bucket.rglob("*")) == before
    project.set(files="jsonl")
    assert project.run("--destination", "filesystem").code == 0
    assert len(sorted(bucket.glob("wootric/responses/*.jsonl*"))) == 2
