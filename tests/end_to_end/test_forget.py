"""People who are forgotten: what is removed, what stays, and that nothing brings them back until somebody says so."""

import base64
import json
import signal
import unicodedata
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import pytest

from tests.conftest import NOON, Serve, access, first, row
from tests.destinations.test_refreshes import CLIENTS, DIES_ANYWHERE
from tests.script import TABLE_NAMES, Project, project_for
from tests.unit.test_hashing import KEY
from wootric_pipeline import wootric_source
from wootric_pipeline.command.lock import exclusive_run
from wootric_pipeline.sandbox import SECOND, Account, Sandbox

CREATED = {"ignores_updated": frozenset(TABLE_NAMES)}
DAY = 86_400
WITHOUT_WOOTRIC = {"SOURCES__WOOTRIC__CLIENT_ID": "", "SOURCES__WOOTRIC__CLIENT_SECRET": ""}
LISTS = ",".join(TABLE_NAMES)
Whole = dict[str, list[dict[str, Any]]]
Load = Callable[..., tuple[Project, Sandbox]]


def put(account: Account, person: int, at: int, score: int = 3, *, has_list: bool = True) -> None:
    """A person, with a response, and a decline, all of which tell of them."""
    name = f"canary-{person}"
    about: dict[str, Any] = {"plan": name, "seats": person, **({"teams": [name]} if has_list else {})}
    last = {"id": 100 + person, "score": score, "text": name}
    fields: dict[str, Any] = {"email": f"{name}@X.com", "phone_number": name, "external_id": name}
    account.put("end_users", row(person, at, **fields, properties=about, last_response=last))
    inner: dict[str, Any] = {"email": f"{name}@X.com", "properties": about}
    told: dict[str, Any] = {"text": name, "ip_address": name, "origin_url": name, "notes": [name]}
    account.put("responses", row(100 + person, at, end_user_id=person, end_user=inner, score=score, tags=["a"], **told))
    fields = {"ip_address": name, "origin_url": name}
    account.put("declines", row(200 + person, at, end_user_id=person, end_user=inner, **fields))


@pytest.fixture
def account() -> Account:
    account = Account()
    for person in range(1, 7):
        put(account, person, NOON + person * DAY)
    return account


@pytest.fixture
def loaded(account: Account, serve: Serve, tmp_path: Path) -> Load:
    def load(settings: dict[str, object] | None = None, **behaviour: Any) -> tuple[Project, Sandbox]:
        sandbox = serve(account, **behaviour)
        project = project_for(sandbox, tmp_path / "project", tables=LISTS, **(settings or {}))
        assert project.run().code == 0
        return project, sandbox

    return load


def whole(project: Project) -> Whole:
    """All rows of all tables, with what the child tables of a row hold, and without dlt's columns."""
    names = [name for name in project.loaded() if not name.endswith("wootric_runs")]
    found: Whole = {}
    for name in names:
        key = "(SELECT id FROM {} AS p WHERE p._dlt_id = t._dlt_root_id) AS id".format(name.partition("__")[0])
        columns = f"COLUMNS(c -> NOT starts_with(c, '_dlt')){', ' + key if '__' in name else ''}"
        rows = project.ask(f"SELECT to_json(r)::VARCHAR FROM (SELECT {columns} FROM {name} AS t) AS r ORDER BY ALL")
        found[name.removeprefix("wootric.")] = [json.loads(text) for (text,) in rows]
    return found


def without(tables: Whole, *people: int) -> Whole:
    """What is left of tables when people are forgotten."""
    ids = {*people, *(100 + each for each in people), *(200 + each for each in people)}
    left: Whole = {}
    for name, rows in tables.items():
        if name == "end_users" or name.startswith(("end_users__", "responses__notes")) or "__end_user__" in name:
            left[name] = [each for each in rows if each["id"] not in ids]
            continue
        cleared = ("text", "ip_address", "origin_url")
        left[name] = [
            {
                key: None if each["id"] in ids and (key in cleared or key.startswith("end_user__")) else value
                for key, value in each.items()
            }
            for each in rows
        ]
    return left


def in_order(tables: Whole) -> dict[str, list[str]]:
    return {name: sorted(json.dumps(each, sort_keys=True) for each in rows) for name, rows in tables.items()}


def assert_are(found: Whole, wanted: Whole) -> None:
    assert in_order(found) == in_order(wanted)


def files_with(folder: Path, *words: str) -> set[str]:
    """The files of a folder in which one of some words is."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file) for file in files if any(word.encode() in file.read_bytes() for word in words)}


LATER: list[list[str]] = [
    [],
    ["--full-refresh"],
    ["--verify", "full"],
    ["--verify", "--repair"],
    ["--find-deleted"],
    [],
]


@pytest.mark.parametrize(
    ("behaviour", "properties", "later"),
    first(({}, "columns", LATER[:2]), ({}, "columns", LATER), (CREATED, "json", LATER)),
    ids=["a few", "updated", "created"],
)
def test_a_person_is_removed_and_not_loaded_again(
    loaded: Load, behaviour: dict[str, Any], properties: str, later: list[list[str]]
) -> None:
    project, sandbox = loaded({"properties": properties}, **behaviour)
    before, asked = whole(project), len(sandbox.requests)
    outcome = project.run("--forget", "2,CANARY-6@x.com", **WITHOUT_WOOTRIC)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout.splitlines() == [
        "end_users: 2 rows removed.",
        "responses: 2 rows cleared of what is personal.",
        "declines: 2 rows cleared of what is personal.",
        "The 2 people of the ids 2, 6 will not be loaded again, until --remember.",
    ]
    wanted = without(before, 2, 6)
    assert wanted != before
    assert_are(whole(project), wanted)
    # Wootric is not asked for anything, and no file of the project tells of them.
    assert len(sandbox.requests) == asked
    assert files_with(project.folder, "canary-1")
    assert files_with(project.folder, "canary-2", "canary-6") == set()
    for words in later:
        outcome = project.run(*words)
        assert (outcome.code, outcome.stderr) == (0, "")
        assert_are(whole(project), wanted)
        assert files_with(project.folder, "canary-2", "canary-6") == set()
    kept = "SELECT table_name, complete, rows FROM wootric.wootric_runs WHERE kind = 'forget' ORDER BY ALL"
    assert project.ask(kept) == [("declines", True, 2), ("end_users", True, 2), ("responses", True, 2)]


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [{}, CREATED], ids=["updated", "created"])
def test_what_changes_later_comes_without_what_is_personal(
    loaded: Load, account: Account, behaviour: dict[str, Any]
) -> None:
    project, sandbox = loaded(**behaviour)
    assert project.run("--forget", "2", **WITHOUT_WOOTRIC).code == 0
    put(account, 2, NOON + 20 * DAY, score=9)
    put(account, 3, NOON + 20 * DAY, score=8)
    asked = len(sandbox.requests)
    assert project.run().code == 0
    scores = project.ask("SELECT id, score, text, end_user__email FROM wootric.responses ORDER BY id")[1:3]
    assert scores == [(102, 9, None, None), (103, 8, "canary-3", "canary-3@X.com")]
    assert project.ask("SELECT count(*) FROM wootric.end_users WHERE id = 2") == [(0,)]
    assert files_with(project.folder, "canary-2") == set()
    # What the person's row tells of the last response is no reason to ask for it.
    by_id = [each.path for each in sandbox.requests[asked:] if each.path.count("/") > 2]
    assert by_id == [path for path in by_id if path.startswith("/v1/end_users/3/")]


@pytest.mark.slow
def test_a_working_folder_that_is_lost_makes_no_difference(loaded: Load, tmp_path: Path) -> None:
    project, _ = loaded()
    assert project.run("--forget", "2").code == 0
    wanted = whole(project)
    for words in ([], ["--full-refresh"]):
        project.environment["DLT_DATA_DIR"] = str(tmp_path / f"other-{len(words)}")
        assert project.run(*words).code == 0
        assert_are(whole(project), wanted)


@pytest.mark.slow
def test_a_program_does_not_load_who_is_forgotten(
    loaded: Load, account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, sandbox = loaded()
    assert project.run("--forget", "2").code == 0
    wanted = whole(project)
    for person in range(1, 7):
        put(account, person, NOON + 20 * DAY + person)
    monkeypatch.chdir(project.folder)
    file = dlt.destinations.duckdb(str(project.folder / "wootric_pipeline.duckdb"))
    pipeline = dlt.pipeline(
        "wootric_pipeline", destination=file, dataset_name="wootric", pipelines_dir=str(tmp_path / "own")
    )
    pipeline.run(wootric_source(**access(sandbox), tables=list(TABLE_NAMES)))
    found = whole(project)
    assert [each["id"] for each in found["end_users"]] == [1, 3, 4, 5, 6]
    times = ("updated_at", "created_at")

    def timeless(tables: Whole) -> Whole:
        return {name: [{**each, **dict.fromkeys(times)} for each in rows] for name, rows in tables.items()}

    assert_are(timeless(found), timeless(wanted))


@pytest.mark.slow
def test_who_is_remembered_is_loaded_again(loaded: Load) -> None:
    project, _ = loaded()
    before = whole(project)
    assert project.run("--forget", "2,3").code == 0
    outcome = project.run("--remember", "2", **WITHOUT_WOOTRIC)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (
        0,
        "The person of the id 2 will be loaded again, by --full-refresh or as rows of theirs change.\n",
        "",
    )
    outcome = project.run("--remember", "2")
    assert (outcome.code, outcome.sentence) == (2, "The person of the id 2 is not forgotten; nothing was changed.")
    assert project.run("--full-refresh").code == 0
    assert_are(whole(project), without(before, 3))
    assert project.run("--remember", "3", "--json").report["remembered"] == {"people": 1, "ids": [3]}
    assert project.run("--full-refresh").code == 0
    assert_are(whole(project), before)


@pytest.mark.slow
def test_the_report_for_machines_counts(loaded: Load) -> None:
    project, _ = loaded()
    report = project.run("--forget", "canary-2@x.com", "--json").report
    assert report == {
        "ok": True, "pipeline": "wootric_pipeline", "destination": "duckdb", "dataset": "wootric",
        "forgotten": {
            "people": 1, "ids": [2], "forgotten_before": 0,
            "tables": {"responses": {"cleared": 1}, "declines": {"cleared": 1}, "end_users": {"removed": 1}},
        },
        "warnings": [],
    }  # fmt: skip
    again = project.run("--forget", "2", "--json").report
    assert again["forgotten"] == {
        "people": 1, "ids": [2], "forgotten_before": 1,
        "tables": {"responses": {"cleared": 0}, "declines": {"cleared": 0}, "end_users": {"removed": 0}},
    }  # fmt: skip
    assert project.run("--forget", "2").stdout.splitlines() == [
        "Nothing is left of them.",
        "The person of the id 2 will not be loaded again, until --remember.",
    ]


@pytest.mark.slow
def test_all_with_an_email_address_are_forgotten(loaded: Load, account: Account) -> None:
    twin = {**account.rows["end_users"][4], "email": "Canary-2@x.com"}
    account.rows["end_users"][4] = twin
    project, _ = loaded()
    assert project.run("--forget", "canary-2@X.COM", "--json").report["forgotten"]["ids"] == [2, 4]


@pytest.mark.slow
def test_who_is_known_by_other_tables_alone_is_forgotten(loaded: Load, account: Account) -> None:
    account.delete("end_users", 2)
    account.delete("end_users", 3)
    project, _ = loaded()
    before = whole(project)
    assert project.run("--forget", "canary-2@x.com,3", "--json").report["forgotten"]["ids"] == [2, 3]
    assert_are(whole(project), without(before, 2, 3))


@pytest.mark.slow
@pytest.mark.parametrize("normalizes", [True, False])
def test_an_email_address_that_is_hashed_is_found(loaded: Load, normalizes: bool) -> None:
    settings = {"hash_columns": "personal", "hash_key": KEY, "hash_normalized_emails": normalizes}
    project, _ = loaded(settings)
    before = whole(project)
    outcome = project.run("--forget", "canary-2@x.com" if normalizes else "canary-2@X.com")
    assert outcome.code == 0
    assert_are(whole(project), without(before, 2))
    outcome = project.run("--forget", "canary-3@x.com", SOURCES__WOOTRIC__HASH_KEY="another key of some length")
    assert outcome.code == 2


@pytest.mark.slow
def test_digests_of_what_is_forgotten_are_in_no_state(loaded: Load) -> None:
    project, _ = loaded()

    def states() -> list[dict[str, Any]]:
        texts = project.ask("SELECT state FROM wootric._dlt_pipeline_state")
        return [json.loads(zlib.decompress(base64.b64decode(text))) for (text,) in texts]

    def noted(state: dict[str, Any], table: str) -> set[str]:
        return set(state["sources"]["wootric"]["resources"][table].get("overlap", {"rows": {}})["rows"])

    assert any("6" in noted(state, "end_users") for state in states())
    assert project.run("--forget", "6").code == 0
    (state,) = states()
    assert [noted(state, name) for name in TABLE_NAMES] == [set(), set(), set()]
    forgotten = state["sources"]["wootric"]["forgotten"]
    assert [len(forgotten["people"]), len(forgotten["salt"])] == [1, 32]


TAKES = "--forget takes ids of people and e-mail addresses, as in --forget 1183,ann@example.com."
UNKNOWN = "Nothing is loaded of {}; nothing was changed."


BY_ID = " Who is forgotten already, or was hashed by another hash_key, is known by the id alone."
MISTAKES: list[tuple[list[str], str]] = [
    (["--forget", "9"], UNKNOWN.format("the person of the id 9")),
    (["--forget", "2,9,8"], UNKNOWN.format("the 2 people of the ids 8, 9")),
    (
        ["--forget", "2,canary-9@x.com"],
        UNKNOWN.format("anybody with the e-mail address") + BY_ID,
    ),
    (
        ["--forget", "canary-2@x.com,canary-9@x.com"],
        UNKNOWN.format("anybody with e-mail address number 2 of 2") + BY_ID,
    ),
    (["--forget", "canary-2"], TAKES),
    (["--forget", ""], TAKES),
    (["--forget", "99999999999999999999"], TAKES),
    (
        ["--remember", "canary-2@x.com"],
        "--remember takes ids, as in --remember 1183: of people who are forgotten, no e-mail address is known.",
    ),
    (["--remember", "2"], "The person of the id 2 is not forgotten; nothing was changed."),
    (
        ["--forget", "2", "--tables", "responses", "--full-refresh"],
        "--forget is a run of its own, about all tables; leave out --tables, --full-refresh.",
    ),
    (
        ["--forget", "2", "--verify"],
        "--forget is a run of its own, about all tables; leave out --verify.",
    ),
    (
        ["--forget", "2", "--remember", "3"],
        "--forget is a run of its own, about all tables; leave out --remember.",
    ),
    (["--remember", "3", "--check"], "--remember is a run of its own, about all tables; leave out --check."),
]


@pytest.mark.slow
def test_mistakes_change_nothing(loaded: Load) -> None:
    project, _ = loaded()
    before = project.loaded()
    for words, sentence in MISTAKES:
        outcome = project.run(*words)
        assert (outcome.code, outcome.sentence) == (2, sentence)
    assert project.loaded() == before


def test_nothing_can_be_forgotten_before_it_is_loaded(serve: Serve, tmp_path: Path) -> None:
    outcome = project_for(serve(Account()), tmp_path / "project").run("--forget", "2")
    assert (outcome.code, outcome.sentence) == (
        2,
        "Nothing was loaded into the dataset wootric yet; load it first.",
    )


def test_email_addresses_that_are_not_loaded_find_nobody(loaded: Load) -> None:
    project, _ = loaded({"exclude_columns": "*email"})
    outcome = project.run("--forget", "canary-2@x.com")
    assert (outcome.code, outcome.sentence) == (
        2,
        "No e-mail addresses are loaded, by which people could be found; name their ids.",
    )


@pytest.mark.slow
def test_rows_that_do_not_say_whose_they_are_are_told(loaded: Load) -> None:
    project, _ = loaded({"exclude_columns": "responses.end_user_id"})
    before = whole(project)
    outcome = project.run("--forget", "2")
    assert (outcome.code, outcome.sentence) == (
        1,
        "responses has no end_user_id, so that nobody can tell which of its rows are theirs; --full-refresh --tables "
        "responses loads them without what is personal.",
    )
    found, wanted = whole(project), without(before, 2)
    assert in_order(found)["end_users"] == in_order(wanted)["end_users"]
    assert in_order(found)["responses"] == in_order(before)["responses"]
    assert project.run("--full-refresh", "--tables", "responses").code == 0
    assert_are(whole(project), wanted)


@pytest.mark.slow
def test_another_pipeline_in_the_dataset_is_told(loaded: Load, tmp_path: Path) -> None:
    project, sandbox = loaded()
    file = dlt.destinations.duckdb(str(project.folder / "wootric_pipeline.duckdb"))
    other = dlt.pipeline("other", destination=file, dataset_name="wootric", pipelines_dir=str(tmp_path / "own"))
    other.run(wootric_source(**access(sandbox), tables="declines"))
    assert project.run("--forget", "2", "--json").report["warnings"] == [
        "The pipeline other loads into the same dataset, and does not know who is forgotten."
    ]


MOMENTS = [
    ("_dlt_pipeline_state", 1),
    ("UPDATE .*declines", 1),
    ("rewritten", 1),
]


@pytest.mark.slow
@pytest.mark.parametrize(("pattern", "number"), MOMENTS)
def test_a_run_that_is_killed_is_finished_by_the_next(loaded: Load, pattern: str, number: int) -> None:
    project, _ = loaded()
    before = whole(project)
    prelude = DIES_ANYWHERE.format(pattern=pattern, number=number, client=CLIENTS["duckdb"], delta=False)
    assert project.run("--forget", "2", prelude=prelude).code == -signal.SIGKILL
    # Whatever is removed by then does not come back.
    gone = in_order(whole(project))
    assert project.run("--full-refresh", "--tables", "declines").code == 0
    found = in_order(whole(project))
    assert {name: found[name] for name in ("responses", "end_users")} == {
        name: gone[name] for name in ("responses", "end_users")
    }
    assert project.run("--forget", "2").code == 0
    assert_are(whole(project), without(before, 2))
    assert files_with(project.folder, "canary-2") == set()
    assert project.run("--full-refresh").code == 0
    assert_are(whole(project), without(before, 2))


@pytest.mark.slow
def test_marts_are_built_again_without_who_is_forgotten(loaded: Load) -> None:
    project, _ = loaded()
    assert project.run("--marts").code == 0
    joined = "wootric_marts.fct_response_properties JOIN wootric_marts.fct_responses USING (response_id)"
    told = f"SELECT count(*) FROM {joined}"
    ((all_told,),), ((of_person,),) = project.ask(told), project.ask(f"{told} WHERE end_user_id = 2")
    assert 0 < of_person < all_told
    assert project.run("--forget", "2", **WITHOUT_WOOTRIC).code == 0
    assert project.ask(f"{told} WHERE end_user_id = 2") == [(0,)]
    assert project.ask(told) == [(all_told - of_person,)]


@pytest.mark.slow
def test_everybody_whom_any_table_knows_by_an_address_is_forgotten(loaded: Load, account: Account) -> None:
    # The list of people does not show all of them.
    put(account, 8, NOON + 8 * DAY)
    for table, row_id in (("responses", 108), ("declines", 208)):
        inner = {**account.rows[table][row_id]["end_user"], "email": "canary-2@x.com"}
        account.change(table, row_id, (NOON + 8 * DAY) * SECOND, end_user=inner)
    account.delete("end_users", 8)
    project, _ = loaded()
    forgotten = project.run("--forget", "canary-2@x.com", "--json").report["forgotten"]
    assert forgotten["ids"] == [2, 8]
    found = project.ask("SELECT id FROM wootric.responses WHERE end_user__email ILIKE 'canary-2@%' OR text LIKE '%-8'")
    assert found == []


@pytest.mark.slow
def test_an_address_is_found_however_its_letters_are_composed(loaded: Load, account: Account) -> None:
    account.change("end_users", 3, (NOON + 3 * DAY) * SECOND, email=unicodedata.normalize("NFD", "zoë@x.com"))
    project, _ = loaded()
    composed = unicodedata.normalize("NFC", "Zoë@x.com")
    assert project.run("--forget", composed, "--json").report["forgotten"]["ids"] == [3]


KILLED_RANGE = """
import os, signal
from wootric_pipeline import ranges
def load(*arguments, load=ranges.load, **named):
    load(*arguments, **named)
    os.kill(os.getpid(), signal.SIGKILL)
ranges.load = load
ranges.load_range("2020-01-01", "2030-01-01", tables="end_users")
"""


@pytest.mark.slow
def test_what_a_killed_range_has_left_is_removed_and_what_another_one_has_is_not(loaded: Load) -> None:
    project, _ = loaded()
    pipelines = project.folder / "dlt/pipelines"
    assert project.python("-c", KILLED_RANGE).code == -signal.SIGKILL
    (killed,) = pipelines.glob("wootric_pipeline_2*/")
    assert list(killed.rglob("end_users.*.parquet"))
    alive = pipelines / "wootric_pipeline_20200101T000000_20210101T000000_01234567"
    others = pipelines / "wootric_pipeline_2"
    for each in (alive, others):
        each.mkdir()
    with exclusive_run(alive.name, pipelines):
        assert project.run("--forget", "1").code == 0
    assert [killed.exists(), alive.exists(), others.exists()] == [False, True, True]
