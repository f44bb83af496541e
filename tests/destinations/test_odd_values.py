"""Odd values and rows of any JSON come out of each destination as they went in."""

from itertools import count
from typing import Any

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed
from hypothesis import HealthCheck, given, settings

from tests.any_rows import ROWS, assert_loaded_as_they_are
from tests.conftest import NOON, Serve, first, row
from tests.destinations.test_destinations import GROUPS, pipeline_to, run
from tests.destinations.test_destinations import destination as destination
from tests.end_to_end.test_odd_values import odd_texts
from tests.tables import loaded, selected
from wootric_pipeline.command.failures import explain
from wootric_pipeline.sandbox import Account

PLACES = [pytest.param(name, marks=GROUPS[name]) for name in ("sqlite", "postgres", "file-delta")]
NAMES = count()

each = pytest.mark.parametrize("destination", PLACES, indirect=True)


@pytest.mark.parametrize("destination", first(PLACES[1], PLACES[0], PLACES[2]), indirect=True)
@settings(deadline=None, max_examples=4, suppress_health_check=list(HealthCheck))
@given(rows=ROWS)
def test_properties_of_any_json_are_loaded_as_they_are(
    destination: str, serve: Serve, rows: list[dict[str, Any]]
) -> None:
    pipeline = pipeline_to(destination, f"wootric_any_{next(NAMES)}")
    assert_loaded_as_they_are(pipeline, serve, rows)
    pipeline.drop()


@each
def test_texts_of_any_kind_are_loaded_as_they_are(destination: str, serve: Serve) -> None:
    account, texts = Account(), odd_texts()
    for index, text in enumerate(texts):
        account.put("end_users", row(index, NOON + index, email=text, properties={"text": text}))
        account.put("responses", row(index, NOON + index, text=text, tags=[text], end_user={"email": text}))
    pipeline = pipeline_to(destination, "wootric_texts")
    run(pipeline, serve(account), "end_users", "responses")
    for table, names in (
        ("end_users", ("email", "properties__text")),
        ("responses", ("text", "end_user__email")),
    ):
        found = loaded(pipeline, table)
        assert {index: tuple(found[index].get(name) for name in names) for index in found} == {
            index: (text,) * len(names) for index, text in enumerate(texts)
        }
    assert [found["tags"] for _, found in sorted(loaded(pipeline, "responses").items())] == [[text] for text in texts]


@each
def test_values_that_do_not_fit_are_beside_their_columns(destination: str, serve: Serve) -> None:
    class Odd(Account):
        def shown(self, row: dict[str, Any]) -> dict[str, Any]:
            odd: dict[str, Any] = {"last_seen_at": "0000-00-00", "email": {"a": 1}, "external_created_at": 1.5}
            return {**super().shown(row), **(odd if row["id"] == 2 else {})}

    account = Odd()
    for row_id in (1, 2):
        account.put("end_users", row(row_id, NOON, email="ada@example.com", external_created_at=5))
    pipeline = pipeline_to(destination, "wootric_beside")
    notes = run(pipeline, serve(account), "end_users")
    found = {each["id"]: each for each in selected(pipeline, "end_users")}
    names = ("email", "external_created_at", "last_seen_at__v_text", "email__v_json", "external_created_at__v_double")
    assert {row_id: tuple(found[row_id][name] for name in names) for row_id in found} == {
        1: ("ada@example.com", 5, None, None, None),
        2: (None, None, "0000-00-00", '{"a": 1}', 1.5),
    }
    assert notes.table("end_users").odd_values == 3


@pytest.mark.parametrize("destination", PLACES[:1], indirect=True)
def test_more_properties_than_a_table_has_columns_is_told(destination: str, serve: Serve) -> None:
    account = Account()
    account.put("end_users", row(1, NOON, properties={f"key {index}": index for index in range(2_100)}))
    pipeline = pipeline_to(destination, "wootric_wide")
    with pytest.raises(PipelineStepFailed) as failed:
        run(pipeline, serve(account), "end_users")
    assert explain(failed.value) == (
        'A table has more columns than the destination can hold; set properties = "json" under [sources.wootric] and '
        "run again.",
        2,
    )
