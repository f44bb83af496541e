"""Whether all ids that Wootric lists are there: `--verify full` reads the lists for that, and loads nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOON, Serve, first, row
from tests.end_to_end.test_verify import fits
from tests.script import TABLE_NAMES, Project, expected, project_for
from wootric_pipeline.sandbox import SECOND, Account, Behaviour, Refused, Sandbox

DAY = 86_400
FIT = "All people and last responses that rows refer to are there."
MISSING = "Rows that Wootric lists are missing; --verify full --repair asks for them by their ids."
CREATED = {"ignores_updated": frozenset(TABLE_NAMES)}
MODES = pytest.mark.parametrize("behaviour", first({}, CREATED), ids=["updated", "created"])
Load = Callable[..., tuple[Project, Sandbox]]


@pytest.fixture
def account() -> Account:
    """Ten people with a response and a decline each, a day apart."""
    account = Account()
    for day in range(10):
        at = NOON + day * DAY
        account.put("end_users", row(1 + day, at))
        account.put("responses", row(101 + day, at, end_user_id=1 + day, tags=["a"]))
        account.put("declines", row(201 + day, at, end_user_id=1 + day))
    return account


@pytest.fixture
def loaded(account: Account, serve: Serve, tmp_path: Path) -> Load:
    def load(*words: str, **behaviour: Any) -> tuple[Project, Sandbox]:
        hides = behaviour.pop("hides", {})
        sandbox = serve(account, **behaviour)
        project = project_for(sandbox, tmp_path / "project", tables=",".join(TABLE_NAMES))
        sandbox.behaviour.unlisted = hides
        assert project.run(*words).code == 0
        sandbox.behaviour.unlisted = {}
        return project, sandbox

    return load


@MODES
def test_all_that_is_listed_is_there(loaded: Load, behaviour: dict[str, Any]) -> None:
    project, _ = loaded(**behaviour)
    before = project.loaded()
    outcome = project.run("--verify", "full")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert fits(outcome) == [
        FIT, *(f"{name}: all rows that Wootric lists are there." for name in TABLE_NAMES),
    ]  # fmt: skip
    assert project.loaded() == before
    kinds = "SELECT kind, table_name, complete, rows FROM wootric.wootric_runs WHERE kind <> 'load' ORDER BY ALL"
    assert project.ask(kinds) == [("verify", name, True, 0) for name in sorted(TABLE_NAMES)]


@MODES
def test_rows_that_no_load_has_shown_are_found_and_fetched(
    loaded: Load, account: Account, behaviour: dict[str, Any]
) -> None:
    project, _ = loaded(hides={"responses": (103, 106), "declines": (204,)}, **behaviour)
    # Nothing refers to them.
    assert project.run("--verify").code == 0
    before = project.loaded()
    outcome = project.run("--verify", "full")
    assert (outcome.code, outcome.sentence) == (1, MISSING)
    assert fits(outcome) == [
        FIT,
        "end_users: all rows that Wootric lists are there.",
        "responses: 2 rows (id 103, 106) that Wootric lists are missing.",
        "declines: 1 row (id 204) that Wootric lists is missing.",
    ]
    assert project.loaded() == before
    repaired = project.run("--verify", "full", "--repair", "--json")
    assert (repaired.code, repaired.report["ok"]) == (0, True)
    assert {name: each["repaired"] for name, each in repaired.report["verified"].items()} == {
        "end_users": 0, "responses": 2, "declines": 1,
    }  # fmt: skip
    assert {name: each["missing"] for name, each in repaired.report["ids"].items()} == dict.fromkeys(TABLE_NAMES, 0)
    for table in TABLE_NAMES:
        assert project.held(table) == expected(account, table)


@pytest.mark.slow
def test_a_repair_has_a_budget(loaded: Load, account: Account) -> None:
    project, _ = loaded(hides={"responses": (103, 104, 106)})
    project.set(repair_requests_max=2)
    outcome = project.run("--verify", "full", "--repair", "--json")
    assert (outcome.code, outcome.sentence) == (1, MISSING)
    assert outcome.report["ids"]["responses"]["missing_ids"] == [106]
    assert project.run("--verify", "full", "--repair").code == 0
    assert project.held("responses") == expected(account, "responses")


@pytest.mark.slow
def test_what_is_not_listed_any_more_is_told(loaded: Load, account: Account) -> None:
    project, sandbox = loaded()
    account.delete("responses", 103)
    sandbox.behaviour.unlisted = {"declines": (201, 202)}
    outcome = project.run("--verify", "full", "--tables", "responses,declines")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert fits(outcome) == [
        FIT,
        "responses: all rows that Wootric lists are there.",
        "responses: 1 row (id 103) is not listed any more; --find-deleted asks whether it is gone.",
        "declines: all rows that Wootric lists are there.",
        "declines: 2 rows (id 201, 202) are not listed any more; --find-deleted asks which of them are gone.",
    ]
    # Nobody is asked for them; what is marked is known.
    assert not [each for each in sandbox.requests if each.path.count("/") > 2]
    assert project.run("--find-deleted", SOURCES__WOOTRIC__DELETED="mark").code == 0
    report = project.run("--verify", "full", "--json").report
    assert {name: each["unlisted_ids"] for name, each in report["ids"].items()} == {
        "end_users": [], "responses": [], "declines": [201, 202],
    }  # fmt: skip


@pytest.mark.slow
@MODES
def test_rows_that_have_come_since_the_last_load_are_not_missing(
    loaded: Load, account: Account, behaviour: dict[str, Any]
) -> None:
    project, sandbox = loaded(hides={"end_users": (2,)}, **behaviour)
    now = int(sandbox.now())
    account.put("responses", row(130, now + 5, end_user_id=1))
    # One that was hidden has changed since, so that the next load brings it.
    account.change("end_users", 2, (now + 5) * SECOND)
    number = 0

    def grow(table: str) -> None:
        nonlocal number
        number += 1
        if number < 12:
            account.put(table, row(900 + number, now + 10 + number, end_user_id=1))
            account.change("responses", 102, (now + 10 + number) * SECOND)

    sandbox.behaviour.before_answer = grow
    report = project.run("--verify", "full", "--json").report
    assert {name: (each["missing"], each["unlisted"]) for name, each in report["ids"].items()} == dict.fromkeys(
        TABLE_NAMES, (0, 0)
    )


@pytest.mark.slow
def test_rows_before_the_start_date_are_not_missing(account: Account, serve: Serve, tmp_path: Path) -> None:
    for behaviour in ({}, CREATED):
        sandbox = serve(account, **behaviour)
        project = project_for(
            sandbox, tmp_path / f"project{len(behaviour)}", tables="responses", start_date="2023-11-19"
        )
        assert project.run().code == 0
        # A range before it was loaded as well.
        assert project.run("--start-date", "2023-11-15", "--end-date", "2023-11-17").code == 0
        assert sorted(project.held("responses")) == [102, 103, *range(106, 111)]
        report = project.run("--verify", "full", "--json").report
        assert (report["ids"]["responses"]["missing"], report["ids"]["responses"]["unlisted"]) == (0, 0)
        account.delete("responses", 102)
        project.alter("DELETE FROM wootric.responses WHERE id = 107")
        found = project.run("--verify", "full", "--json").report["ids"]["responses"]
        assert (found["missing_ids"], found["unlisted_ids"]) == ([107], [102])
        account.put("responses", row(102, NOON + DAY, end_user_id=2, tags=["a"]))


@pytest.mark.slow
def test_a_list_that_cannot_be_read_is_told_and_others_are_compared(loaded: Load) -> None:
    project, sandbox = loaded(hides={"declines": (203,)})

    def refuse(table: str) -> None:
        if table == "responses":
            raise Refused(404, "no")

    sandbox.behaviour.before_answer = refuse
    outcome = project.run("--verify", "full", "--json")
    assert outcome.code == 1
    assert outcome.sentence.startswith("responses cannot be read completely, so its ids are not compared: ")
    assert outcome.report["ids"]["declines"]["missing_ids"] == [203]
    assert outcome.report["ids"]["responses"]["complete"] is False
    kinds = "SELECT table_name, complete FROM wootric.wootric_runs WHERE kind = 'verify' ORDER BY ALL"
    assert project.ask(kinds) == [("declines", False), ("end_users", True), ("responses", False)]
    sandbox.behaviour = Behaviour()
    assert project.run("--verify", "full", "--tables", "responses").code == 0


@pytest.mark.slow
def test_runs_that_are_not_kept_are_not_needed(account: Account, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(account, unlisted={"responses": (103,)})
    project = project_for(sandbox, tmp_path / "project", tables=",".join(TABLE_NAMES), keep_runs="false")
    assert project.run().code == 0
    sandbox.behaviour = Behaviour()
    # Nor is a row that changed as late as the newest that is loaded known to be missing.
    account.put("responses", row(120, NOON + 9 * DAY, end_user_id=1))
    # As from another machine.
    report = project.run("--verify", "full", "--json", DLT_DATA_DIR=str(project.folder / "other")).report
    assert report["ids"]["responses"]["missing_ids"] == [103]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--verify", "full"], "Nothing was loaded into the dataset wootric yet; load it first."),
        (["--verify", "all"], "Argument --verify: invalid choice: 'all' (choose from "),
        (["--verify", "full", "--end-date", "2024-01-01", "--start-date", "2023-01-01"],
         "--verify loads nothing; leave out --start-date, --end-date."),
    ],
)  # fmt: skip
def test_mistakes(serve: Serve, tmp_path: Path, words: list[str], sentence: str) -> None:
    outcome = project_for(serve(Account()), tmp_path / "project").run(*words)
    assert (outcome.code, outcome.sentence.startswith(sentence)) == (2, True)
