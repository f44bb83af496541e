"""One odd value or row never stops a table: the row is loaded, or left out and named, and the cursor goes on."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOON, Serve, first, row
from tests.script import expected, project_for
from wootric_pipeline.sandbox import Account
from wootric_pipeline.tables import RESPONSES

FAILURE = 1


class OddAccount(Account):
    """An account some of whose rows are shown with fields that are not as documented.

    Args:
        odd: These fields, by the id of the row; of all tables.
    """

    def __init__(self, odd: dict[int, dict[str, Any]]) -> None:
        super().__init__()
        self.odd = odd

    def shown(self, row: dict[str, Any]) -> dict[str, Any]:
        return {**super().shown(row), **self.odd.get(row["id"], {})}


def account_of(rows: int, odd: dict[int, dict[str, Any]], table: str = "responses") -> OddAccount:
    account = OddAccount(odd)
    account.fill(table, [row(each, NOON + 60 * each) for each in range(rows)])
    return account


ODD_VALUES: list[tuple[str, Any, dict[str, Any]]] = [
    ("score", "N/A", {"score": None, "score__v_text": "N/A"}),
    ("score", 9.0, {"score": 9}),
    ("score", "9.0", {"score": 9}),
    ("score", 9.5, {"score": None, "score__v_double": 9.5}),
    ("score", 10**30, {"score": None, "score__v_text": str(10**30)}),
    ("score", [9], {"score": None, "score__v_json": "[9]"}),
    ("last_seen_at", "2023-11-14", {"epoch(last_seen_at)": 1_699_920_000.0}),
    ("last_seen_at", NOON, {"epoch(last_seen_at)": float(NOON)}),
    ("last_seen_at", "", {"last_seen_at": None, "last_seen_at__v_text": ""}),
    ("last_seen_at", "0000-00-00 00:00:00", {"last_seen_at": None, "last_seen_at__v_text": "0000-00-00 00:00:00"}),
    ("email", {"a": [1]}, {"email": None, "email__v_json": '{"a": [1]}'}),
    ("last_response", {"score": "N/A"}, {"last_response__score": None, "last_response__score__v_text": "N/A"}),
]


def table_of(column: str) -> str:
    return "responses" if column in RESPONSES.columns else "end_users"


def test_rows_with_odd_values_of_all_kinds_are_loaded_at_once(serve: Serve, tmp_path: Path) -> None:
    account = OddAccount({row_id: {column: value} for row_id, (column, value, _) in enumerate(ODD_VALUES)})
    for row_id, (column, *_) in enumerate(ODD_VALUES):
        account.put(table_of(column), row(row_id, NOON + 60 * row_id))
    project = project_for(serve(account), tmp_path)
    outcome = project.run("--json", "--tables", "end_users,responses")
    assert (outcome.code, outcome.stderr) == (0, "")
    beside = Counter(table_of(column) for column, _, held in ODD_VALUES if len(held) > 1)
    for table in ("end_users", "responses"):
        assert project.held(table) == expected(account, table)
        assert outcome.report["tables"][table]["odd_values"] == beside[table]
    for row_id, (column, _, held) in enumerate(ODD_VALUES):
        (found,) = project.ask(f"SELECT {', '.join(held)} FROM wootric.{table_of(column)} WHERE id = {row_id}")
        assert found == tuple(held.values())
    assert "N/A" not in outcome.stdout


@pytest.mark.parametrize(("column", "value", "held"), [*first(*ODD_VALUES[:-1]), ODD_VALUES[-1]])
def test_a_row_with_an_odd_value_is_loaded(
    serve: Serve, tmp_path: Path, column: str, value: Any, held: dict[str, Any]
) -> None:
    table = table_of(column)
    account = account_of(4, {2: {column: value}}, table)
    project = project_for(serve(account), tmp_path)
    outcome = project.run("--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert project.held(table) == expected(account, table)
    (found,) = project.ask(f"SELECT {', '.join(held)} FROM wootric.{table} WHERE id = 2")
    assert found == tuple(held.values())
    field = column if column != "last_response" else "last_response__score"
    is_kept_beside = len(held) > 1
    assert outcome.report["tables"][table]["odd_values"] == is_kept_beside
    assert outcome.report["warnings"] == [
        f"{table}: the {field} of the row with id 2 does not fit its type; it is null there, and kept in {field}__v_..."
    ] * int(is_kept_beside)
    if is_kept_beside:
        assert "N/A" not in outcome.stdout


UNUSABLE = [
    ({"updated_at": None}, "The row with id 2 of responses has no updated_at."),
    ({"created_at": "0000-00-00"}, "The row with id 2 of responses has a value that is not a time as its created_at."),
    ({"id": "two"}, "A row created at 2023-11-14 22:15:20 (UTC) of responses has no whole number as its id."),
]


@pytest.mark.slow
@pytest.mark.parametrize(("odd", "sentence"), UNUSABLE)
def test_a_row_without_its_keys_is_left_out_and_named(
    serve: Serve, tmp_path: Path, odd: dict[str, Any], sentence: str
) -> None:
    account = account_of(5, {2: odd})
    project = project_for(serve(account), tmp_path)
    outcome = project.run("--json")
    assert outcome.code == FAILURE
    assert outcome.sentence == f"1 row is left out of responses, and all others are loaded. {sentence}"
    loaded = expected(account, "responses")
    del loaded[2]
    assert project.held("responses") == loaded
    responses = outcome.report["tables"]["responses"]
    assert (responses["complete"], responses["rows"], responses["rows_left_out"]) == (False, 4, 1)
    assert responses["cursor_after"] == "2023-11-14T22:17:20Z"
    assert responses["error"] == outcome.sentence
    # As long as it is among the newest rows, each run sees it again.
    account.fill("responses", [row(each, NOON + 3_600 + each) for each in range(100, 160)])
    assert [project.run().code, project.run().code] == [FAILURE, 0]
    loaded = expected(account, "responses")
    del loaded[2]
    assert project.held("responses") == loaded


@pytest.mark.parametrize("ignored", first(frozenset({"responses"}), frozenset()))
def test_rows_without_their_keys_on_many_pages_hide_no_others(
    serve: Serve, tmp_path: Path, ignored: frozenset[str]
) -> None:
    rows, odd = 400, (0, 49, 50, 133, 134, 250, 399)
    account = account_of(rows, {row_id: {"updated_at": "private"} for row_id in odd})
    # Some share a second.
    account.fill("responses", [row(1_000 + each, NOON + 9_000) for each in range(120)])
    project = project_for(serve(account, ignores_updated=ignored), tmp_path)
    outcome = project.run("--json", "--tables", "responses")
    assert outcome.code == FAILURE
    assert outcome.sentence.startswith("7 rows are left out of responses, and all others are loaded. The row with id ")
    assert "private" not in outcome.stdout + outcome.stderr
    loaded = expected(account, "responses")
    for row_id in odd:
        del loaded[row_id]
    assert project.held("responses") == loaded


@pytest.mark.slow
def test_a_list_of_rows_without_keys_stops_its_table(serve: Serve, tmp_path: Path) -> None:
    account = account_of(60, {})
    project = project_for(serve(account), tmp_path)
    project.run()
    before = project.loaded()
    account.fill("responses", [row(each, NOON + 9_000 + each) for each in range(100, 150)])
    account.odd.update({row_id: {"updated_at": None} for row_id in range(100, 150)})
    outcome = project.run("--json")
    assert (outcome.code, outcome.report["tables"]["responses"]["complete"]) == (FAILURE, False)
    assert outcome.sentence.endswith("of responses has no updated_at.")
    cursor = outcome.report["tables"]["responses"]
    assert cursor["cursor_after"] == cursor["cursor_before"] == "2023-11-14T23:12:20Z"
    assert project.loaded()["wootric.responses"] == before["wootric.responses"]


def odd_texts() -> list[str]:
    """Texts that dlt would take for other types, and others that destinations have trouble with."""
    marks = [start + text for start in map(chr, range(0xF025, 0xF030)) for text in ("5", "2024-01-01", "QUJD", " half")]
    return ["", " ", "\uf02e\ufdd0a", "NULL", "\\N", "a\nb\r\nc", "'", '"', "\\", "\x1b[2J", "\u2028", *marks]


@pytest.mark.parametrize("properties", ["columns", "json"])
def test_texts_of_any_kind_are_loaded_as_they_are(serve: Serve, tmp_path: Path, properties: str) -> None:
    account, texts = Account(), odd_texts()
    for index, text in enumerate(texts):
        about = {"text": text, "texts": [text, {"a": text}]}
        account.put("end_users", row(index, NOON + index, email=text, properties=about))
        account.put("responses", row(index, NOON + index, text=text, tags=[text], end_user={"email": text}))
    project = project_for(serve(account), tmp_path, properties=properties)
    outcome = project.run("--json", "--tables", "end_users,responses")
    assert (outcome.code, outcome.stderr, outcome.report["warnings"]) == (0, "", [])
    inside = (
        "properties__text, properties__texts" if properties == "columns" else "properties->>'text', properties->'texts'"
    )
    found = project.ask(f"SELECT id, email, {inside} FROM wootric.end_users ORDER BY id")
    assert [(*start, json.loads(lists)) for *start, lists in found] == [
        (index, text, text, [text, {"a": text}]) for index, text in enumerate(texts)
    ]
    query = (
        "SELECT id, text, end_user__email, value FROM wootric.responses "
        "JOIN wootric.responses__tags AS tags ON tags._dlt_parent_id = responses._dlt_id ORDER BY id"
    )
    assert project.ask(query) == [(index, text, text, text) for index, text in enumerate(texts)]


def test_a_value_that_is_nested_too_deep_for_json_stops_nothing(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dumps = json.dumps
    deep = '{"a": [' * 2_000 + "1" + "]}" * 2_000
    # Python does not write it either.
    monkeypatch.setattr(json, "dumps", lambda *words, **named: dumps(*words, **named).replace('"DEEP"', deep))
    account = account_of(3, {1: {"properties": {"plan": "Free", "deep": "DEEP"}}}, "end_users")
    project = project_for(serve(account), tmp_path)
    outcome = project.run("--json", "--tables", "end_users")
    assert (outcome.code, outcome.report["tables"]["end_users"]["odd_values"]) == (0, 2)
    held = project.ask("SELECT id, properties__plan, properties__deep__a FROM wootric.end_users ORDER BY id")
    assert [(row_id, plan) for row_id, plan, _ in held] == [(0, None), (1, "Free"), (2, None)]
    # It is a text of JSON as far as it was read.
    assert held[1][2].count("null") == 1


def test_a_property_that_is_nested_too_deep_is_a_text_of_json(serve: Serve, tmp_path: Path) -> None:
    deep: Any = "inside"
    for _ in range(400):
        deep = {"a": [deep]}
    account = Account()
    account.put("end_users", row(1, NOON, properties={"deep": deep, "plan": "Free"}))
    account.put("end_users", row(2, NOON, properties={"deep": {"a": 5}}))
    project = project_for(serve(account), tmp_path)
    outcome = project.run("--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.report["warnings"] == [
        "end_users: what properties of the row with id 1 holds was changed so that a database can hold it."
    ]
    ((text, plan),) = project.ask("SELECT properties__deep__a, properties__plan FROM wootric.end_users WHERE id = 1")
    assert plan == "Free"
    assert "inside" in text


@pytest.mark.slow
def test_names_of_properties_move_no_cursor(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.put("end_users", row(1, NOON, properties={"\x1b[31mred\n\r": 5}, **{"\x1b[2Jnew\n": 2**70}))
    project = project_for(serve(account), tmp_path)
    for naming in ("snake_case", "direct"):
        outcome = project.run("--full-refresh", "--dataset", naming, SCHEMA__NAMING=naming)
        assert outcome.code == 0
        assert "\x1b" not in outcome.stdout + outcome.stderr
        assert "new" in outcome.stdout
        assert all(line.isprintable() for line in outcome.stdout.split("\n"))
