"""Whether what rows refer to is there: `--verify` finds what is missing, and `--repair` fetches it by its id."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOON, Serve, row
from tests.script import Outcome, Project, expected, project_for
from wootric_pipeline.sandbox import Account, Refused, Sandbox

COMPLETE = "All people and last responses that rows refer to are there."
MISSING = "Rows are missing, or have other scores; --repair asks Wootric for them by their ids."


def fits(outcome: Outcome) -> list[str]:
    """What is said of the tables; behind it stands the comparison with Wootric's own figures."""
    *said, compared = outcome.stdout.splitlines()
    assert compared.startswith("Wootric's own figures: ")
    return said


def person(row_id: int, **fields: Any) -> dict[str, Any]:
    return row(row_id, **{"email": f"{row_id}@example.com", **fields})


@pytest.fixture
def account() -> Account:
    """Three people, of whom the first two have answered, and the third has declined."""
    account = Account()
    for number in (1, 2):
        last = {"id": 10 + number, "score": number, "text": "t"}
        account.put("end_users", person(number, last_response=last))
        account.put("responses", row(10 + number, end_user_id=number, score=number, text="t"))
    account.put("end_users", person(3))
    account.put("declines", row(20, end_user_id=3))
    return account


@pytest.fixture
def loaded(account: Account, serve: Serve, tmp_path: Path) -> Callable[..., tuple[Project, Sandbox]]:
    def load(**hides: tuple[int, ...]) -> tuple[Project, Sandbox]:
        sandbox = serve(account)
        project = project_for(sandbox, tmp_path / "project")
        sandbox.behaviour.unlisted = hides
        assert project.run().code == 0
        return project, sandbox

    return load


Load = Callable[..., tuple[Project, Sandbox]]


def test_what_is_complete_is_called_so(loaded: Load) -> None:
    project, sandbox = loaded()
    before = len(sandbox.requests)
    outcome = project.run("--verify")
    assert (outcome.code, fits(outcome), outcome.stderr) == (0, [COMPLETE], "")
    # Nothing but the destination is asked, and Wootric for its own figures.
    asked = {"/oauth/token", "/v1/nps_summary", "/v2/email_stats", "/v1/responses"}
    assert {each.path for each in sandbox.requests[before:]} <= asked
    kinds = "SELECT kind, table_name, complete FROM wootric.wootric_runs WHERE kind <> 'load' ORDER BY 2"
    assert project.ask(kinds) == [("verify", "end_users", True), ("verify", "responses", True)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("hides", "sentences"),
    [
        ({"end_users": (1, 3)}, ["end_users: 2 rows (id 1, 3) that responses or declines name are missing."]),
        ({"responses": (12,)}, ["responses: 1 row (id 12) that end_users names as a person's last is missing."]),
        (
            {"responses": (11,), "end_users": (2,)},
            [
                "end_users: 1 row (id 2) that responses or declines name is missing.",
                "responses: 1 row (id 11) that end_users names as a person's last is missing.",
            ],
        ),
    ],
)
def test_rows_that_no_list_has_shown_are_found_and_fetched(
    loaded: Load, account: Account, hides: dict[str, tuple[int, ...]], sentences: list[str]
) -> None:
    project, _ = loaded(**hides)
    outcome = project.run("--verify")
    assert (outcome.code, fits(outcome), outcome.sentence) == (1, sentences, MISSING)
    report = project.run("--verify", "--json").report
    assert (report["ok"], report["error"]) == (False, MISSING)
    assert {name: tuple(each["missing_ids"]) for name, each in report["verified"].items() if each["missing"]} == hides

    repaired = project.run("--repair", "--json")
    assert repaired.code == 0
    assert {
        name: each["repaired"] for name, each in repaired.report["verified"].items() if each["repaired"]
    } == {name: len(ids) for name, ids in hides.items()}  # fmt: skip
    assert fits(project.run("--verify")) == [COMPLETE]
    for table in ("end_users", "responses", "declines"):
        assert project.held(table) == expected(account, table)
    cursors = {name: each["cursor_before"] for name, each in project.run("--json").report["tables"].items()}
    assert (cursors["declines"], cursors["responses"] or cursors["end_users"]) == ("2023-11-14T22:13:20Z",) * 2


@pytest.mark.slow
def test_another_score_is_found_and_fetched(loaded: Load, account: Account) -> None:
    project, _ = loaded()
    project.alter("UPDATE wootric.responses SET score = 9 WHERE id = 12")
    outcome = project.run("--verify")
    said = "responses: 1 row (id 12) has another score than end_users tells."
    assert (outcome.code, fits(outcome)) == (1, [said])
    outcome = project.run("--repair")
    assert (outcome.code, outcome.stdout.splitlines()) == (0, [COMPLETE, "responses: 1 row was loaded by id."])
    assert project.ask("SELECT score FROM wootric.responses WHERE id = 12") == [(2,)]
    assert account.rows["responses"][12]["score"] == 2


@pytest.mark.slow
def test_what_wootric_does_not_have_is_told_once(loaded: Load, account: Account) -> None:
    project, _ = loaded(end_users=(1, 3))
    account.delete("end_users", 1)
    outcome = project.run("--repair")
    complete = COMPLETE.replace("there.", "there, or gone in Wootric.")
    told = [complete, "end_users: 1 row was loaded by id.", "end_users: Wootric does not have 1 row (id 1) any more."]
    assert (outcome.code, outcome.stdout.splitlines()) == (0, told)
    # As from another machine.
    assert fits(project.run("--verify", DLT_DATA_DIR=str(project.folder / "other"))) == [COMPLETE]
    assert sorted(project.held("end_users")) == [2, 3]


def test_what_a_shared_working_folder_knows_of_another_dataset_is_not_believed(loaded: Load, tmp_path: Path) -> None:
    project, sandbox = loaded()
    other = project_for(sandbox, tmp_path / "other")
    other.environment["DLT_DATA_DIR"] = project.environment["DLT_DATA_DIR"]
    assert other.run("--tables", "declines").code == 0
    assert fits(project.run("--verify")) == [COMPLETE]
    outcome = other.run("--verify")
    assert outcome.code == 0
    assert "end_users is not loaded" in outcome.stdout


@pytest.mark.slow
def test_what_came_while_tables_were_read_is_not_missing(account: Account, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(account, clock_ahead_seconds=0)
    project = project_for(sandbox, tmp_path / "project")
    assert project.run("--tables", "end_users").code == 0
    project.alter("UPDATE wootric.wootric_runs SET started_at = TIMESTAMPTZ '2023-11-14 22:00:00Z'")
    account.put("responses", row(13, NOON + 60, end_user_id=4, score=5))
    assert project.run("--tables", "responses,declines").code == 0
    assert fits(project.run("--verify")) == [COMPLETE]


def test_a_response_that_changed_after_its_person_was_read_has_no_other_score(
    account: Account, serve: Serve, tmp_path: Path
) -> None:
    sandbox = serve(account, clock_ahead_seconds=0)
    project = project_for(sandbox, tmp_path / "project")
    assert project.run("--tables", "end_users").code == 0
    # Its person does not change with it, so that no later run brings what it has by now.
    account.put("responses", row(12, int(sandbox.now()) + 1, created=NOON, end_user_id=2, score=9, text="t"))
    sandbox.behaviour.clock_ahead_seconds = 60
    assert project.run().code == 0
    assert project.ask("SELECT score FROM wootric.responses WHERE id = 12") == [(9,)]
    assert fits(project.run("--verify")) == [COMPLETE]


@pytest.mark.slow
def test_a_repair_has_a_budget(loaded: Load, account: Account) -> None:
    project, sandbox = loaded(end_users=(1, 2, 3))
    project.set(repair_requests_max=2)
    before = len(sandbox.requests)
    outcome = project.run("--repair")
    assert (outcome.code, outcome.sentence) == (
        1, "Some rows are still missing, or have other scores; the next --repair asks for them again.",
    )  # fmt: skip
    assert [each.path for each in sandbox.requests[before:]] == ["/oauth/token", "/v1/end_users/1", "/v1/end_users/2"]
    assert project.run("--repair").code == 0
    assert project.held("end_users") == expected(account, "end_users")


@pytest.mark.slow
def test_a_repair_that_may_not_ask_changes_nothing(loaded: Load) -> None:
    project, sandbox = loaded(end_users=(1,))

    def refuse(*_about: Any) -> Any:
        raise Refused(403, "forbidden")

    sandbox._one = refuse  # type: ignore[method-assign,assignment]
    outcome = project.run("--repair")
    assert outcome.code == 2
    assert project.run("--verify").code == 1


@pytest.mark.slow
def test_tables_that_are_not_loaded_are_not_checked(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(account), tmp_path / "project")
    assert project.run("--tables", "responses").code == 0
    outcome = project.run("--verify")
    assert (outcome.code, fits(outcome)) == (
        0,
        [
            COMPLETE,
            "Not checked: whether the end users of responses are there: end_users is not loaded.",
            "Not checked: whether the end users of declines are there: end_users is not loaded.",
            "Not checked: whether the last responses of end_users are there: end_users is not loaded.",
        ],
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--verify"], "Nothing was loaded into the dataset wootric yet; load it first."),
        (["--repair"], "Nothing was loaded into the dataset wootric yet; load it first."),
        (["--verify", "--full-refresh"], "--verify loads nothing; leave out --full-refresh."),
        (["--repair", "--check"], "--repair loads rows by their ids alone; leave out --check."),
        (["--verify", "--status"], "--status looks at runs; leave out --verify and --repair."),
    ],
)
def test_mistakes(serve: Serve, tmp_path: Path, words: list[str], sentence: str) -> None:
    outcome = project_for(serve(Account()), tmp_path / "project").run(*words)
    assert (outcome.code, outcome.sentence) == (2, sentence)


@pytest.mark.slow
def test_people_older_than_the_start_date_are_not_missing(account: Account, serve: Serve, tmp_path: Path) -> None:
    account.put("responses", row(50, NOON + 9 * 86_400, end_user_id=1))
    project = project_for(serve(account), tmp_path / "project", start_date="2023-11-20")
    assert project.run().code == 0
    outcome = project.run("--verify")
    assert outcome.code == 0
    reason = "end_users is loaded from a start date on, and people may be older."
    assert f"Not checked: whether the end users of responses are there: {reason}" in outcome.stdout.splitlines()
