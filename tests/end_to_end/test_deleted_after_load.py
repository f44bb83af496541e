"""A load that has read a whole list again looks for what is gone of it, and one that has not does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOON, Serve, access, first, row
from tests.end_to_end.test_losses import to
from tests.script import Outcome, Project, expected, project_for
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.sandbox import SECOND, Account, Behaviour, Refused, Sandbox

DAY = 86_400
LISTS = frozenset(["end_users", "responses"])
CREATED = {"ignores_updated": LISTS, "ignores_sort_key": LISTS}
FOUND = (
    "SELECT table_name, complete, rows, rows_gone FROM wootric.wootric_runs WHERE kind = 'find_deleted' ORDER BY ALL"
)
Load = Callable[..., tuple[Project, Sandbox]]


@pytest.fixture
def account() -> Account:
    """Ten people with a response of two tags each."""
    account = Account()
    for day in range(10):
        at = NOON + day * DAY
        account.put("end_users", row(1 + day, at))
        account.put("responses", row(101 + day, at, end_user_id=1 + day, score=day, tags=["a", f"{day}"]))
    return account


@pytest.fixture
def loaded(account: Account, serve: Serve, tmp_path: Path) -> Load:
    def load(deleted: str, tables: str = "end_users,responses", **settings: Any) -> tuple[Project, Sandbox]:
        sandbox = serve(account, **CREATED)
        project = project_for(sandbox, tmp_path / "project", tables=tables, deleted=deleted, **settings)
        assert project.run().code == 0
        return project, sandbox

    return load


def asked(sandbox: Sandbox) -> list[str]:
    """What was asked for by its id since the last time."""
    found = [
        each.path
        for each in sandbox.requests
        if each.path.removeprefix("/v1/") not in LISTS | {"declines"} and "/v1/" in each.path
    ]
    sandbox.requests.clear()
    return found


def lines(outcome: Outcome) -> list[str]:
    """What is told behind the report of the load, of a run that is a success."""
    assert (outcome.code, outcome.stderr) == (0, "")
    told = outcome.stdout.splitlines()
    return told[1 + next(number for number, line in enumerate(told) if " rows into duckdb" in line) :]


def of(outcome: Outcome, table: str = "responses") -> dict[str, Any]:
    """What was found of a table, for machines."""
    assert (outcome.code, outcome.stderr) == (0, "")
    found: dict[str, Any] = outcome.report["deleted"]["tables"][table]
    return found


def whole(project: Project) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, without dlt's columns: a part of a list from which a row is gone is loaded again."""
    return {
        name: project.ask(f"SELECT COLUMNS(c -> NOT starts_with(c, '_dlt')) FROM {name} ORDER BY ALL")
        for name in project.loaded()
    }


def finds_nothing(project: Project, sandbox: Sandbox, *words: str) -> bool:
    """Whether the next run asks for nothing by its id, says nothing, and leaves nothing of it."""
    sandbox.requests.clear()
    before, found = whole(project), project.ask(FOUND)
    outcome = project.run("--json", *words)
    assert outcome.code == 0
    same = (whole(project), project.ask(FOUND)) == (before, found)
    return same and "deleted" not in outcome.report and not outcome.report["warnings"] and not asked(sandbox)


def is_idle(project: Project, sandbox: Sandbox) -> bool:
    """Whether it does not even load anything."""
    loads = "SELECT count(*) FROM wootric._dlt_loads WHERE schema_name = 'wootric'"
    before = project.ask(loads)
    return finds_nothing(project, sandbox) and project.ask(loads) == before


def marked(project: Project, table: str = "responses") -> set[int]:
    return {row_id for (row_id,) in project.ask(f"SELECT id FROM wootric.{table} WHERE _deleted_at IS NOT NULL")}


@pytest.mark.parametrize(("deleted", "done"), first(("remove", "removed"), ("keep", "kept"), ("mark", "marked")))
def test_a_load_does_what_is_set(loaded: Load, account: Account, deleted: str, done: str) -> None:
    project, sandbox = loaded(deleted)
    assert is_idle(project, sandbox)
    before = project.held("responses")
    for row_id in (103, 104):
        account.delete("responses", row_id)
    assert lines(project.run()) == [f"responses: 2 rows (id 103, 104) are gone in Wootric, and {done}."]
    assert asked(sandbox) == ["/v1/end_users/3/responses/103", "/v1/end_users/4/responses/104"]
    assert project.held("responses") == (expected(account, "responses") if deleted == "remove" else before)
    tags = {value for (value,) in project.ask("SELECT value FROM wootric.responses__tags")}
    assert ({"2", "3"} <= tags) == (deleted != "remove")
    if deleted == "mark":
        assert marked(project) == {103, 104}
    assert project.ask(FOUND) == [("responses", True, 0 if deleted == "keep" else 2, 2)]
    # What is known is not told, or asked for, again.
    assert finds_nothing(project, sandbox)
    assert is_idle(project, sandbox)
    account.delete("responses", 105)
    found = project.run("--json")
    assert of(found)["gone_ids"] == [105]
    assert (found.report["deleted"]["deleted"], found.report["deleted"]["requests"]) == (deleted, 1)
    assert (of(found)["marked"], of(found)["removed"]) == (deleted == "mark", deleted == "remove")


@pytest.mark.slow
def test_who_comes_back_is_unmarked(loaded: Load, account: Account) -> None:
    project, sandbox = loaded("mark")
    before = account.rows["end_users"][3]
    account.delete("end_users", 3)
    assert project.run("--find-deleted").code == 0
    account.put("end_users", before)
    assert lines(project.run()) == ["end_users: 1 row (id 3) is listed again, and unmarked."]
    assert marked(project, "end_users") == set()
    assert project.ask(FOUND)[0] == ("end_users", True, 1, 0)
    assert finds_nothing(project, sandbox)
    # Where it was gone in a load, its part of the list is loaded again.
    for _ in range(2):
        account.delete("end_users", 3)
        assert project.run().code == 0
        assert marked(project, "end_users") == {3}
        account.put("end_users", before)
        assert project.run().code == 0
        assert marked(project, "end_users") == set()
    assert project.held("end_users") == expected(account, "end_users")
    # So it is with marks that somebody else has made.
    project.alter("UPDATE wootric.end_users SET _deleted_at = now() WHERE id = 5")
    assert lines(project.run()) == ["end_users: 1 row (id 5) is listed again, and unmarked."]
    assert marked(project, "end_users") == set()


@pytest.mark.slow
def test_who_comes_back_and_goes_again_is_asked_for_again(loaded: Load, account: Account) -> None:
    project, sandbox = loaded("keep")
    before = account.rows["end_users"][3]
    for _ in range(2):
        account.delete("end_users", 3)
        assert lines(project.run()) == ["end_users: 1 row (id 3) is gone in Wootric, and kept."]
        assert asked(sandbox) == ["/v1/end_users/3"]
        account.put("end_users", before)
        assert lines(project.run()) == []


@pytest.mark.slow
def test_what_is_hidden_from_the_list_is_asked_for_once(loaded: Load, account: Account) -> None:
    project, sandbox = loaded("remove")
    before = whole(project)
    sandbox.behaviour.unlisted = {"end_users": (2, 3)}
    assert lines(project.run()) == ["end_users: 2 rows (id 2, 3) are not listed, but Wootric has them."]
    assert whole(project) == before
    assert is_idle(project, sandbox)
    account.delete("end_users", 3)
    assert finds_nothing(project, sandbox)
    assert project.run("--find-deleted").code == 0
    assert set(project.held("end_users")) == set(expected(account, "end_users"))


@pytest.mark.slow
@pytest.mark.parametrize("deleted", ["keep", "remove"])
def test_where_much_would_go_nothing_is_done(serve: Serve, tmp_path: Path, deleted: str) -> None:
    account = Account()
    account.fill("responses", [row(1 + number, NOON + number * 60, end_user_id=9) for number in range(400)])
    sandbox = serve(account, **CREATED)
    settings = {"tables": "responses", "staleness": 0, "deleted": deleted}
    project = project_for(sandbox, tmp_path / "project", **settings)
    assert project.run().code == 0
    before = whole(project)
    for row_id in range(1, 102):
        account.delete("responses", row_id)
    sandbox.requests.clear()
    does = ", and with --yes removes those that are gone" if deleted == "remove" else ""
    sentence = (
        "responses: 101 of 400 rows are not listed any more, so many that nothing was done; --find-deleted asks for "
        f"each by its id{does}."
    )
    assert lines(project.run()) == [f"Warning: {sentence}"]
    assert (asked(sandbox), whole(project)) == ([], before)
    outcome = project.run("--json")
    assert outcome.report["warnings"] == [sentence]
    assert (of(outcome)["unlisted"], of(outcome)["gone"], of(outcome)["removed"]) == (101, 0, 0)
    assert not of(outcome)["complete"]
    assert project.run("--find-deleted", "--yes").code == 0
    if deleted == "remove":
        assert project.held("responses") == expected(account, "responses")
    assert finds_nothing(project, sandbox)


@pytest.mark.slow
@pytest.mark.parametrize("status", [403, 404])
def test_what_cannot_be_asked_for_is_left_alone(
    loaded: Load, account: Account, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    project, sandbox = loaded("remove")
    account.delete("end_users", 3)
    account.delete("responses", 104)
    before = whole(project)

    answer = sandbox._one

    def refuse(path: str) -> Any:
        # Of people it is told before.
        if "responses" in path:
            raise Refused(status, "no")
        return answer(path)

    monkeypatch.setattr(sandbox, "_one", refuse)
    outcome = project.run("--json")
    assert (outcome.code, outcome.stderr, outcome.report["ok"]) == (0, "", True)
    (warning,) = outcome.report["warnings"]
    assert warning.startswith("What is gone cannot be told, and nothing was done: ")
    assert whole(project) == before
    assert [each["removed"] for each in outcome.report["deleted"]["tables"].values()] == [0, 0]
    assert [each[1] for each in project.ask(FOUND)] == [False, False]
    monkeypatch.undo()
    assert project.run().code == 0
    assert (set(project.held("end_users")), set(project.held("responses"))) == (
        set(expected(account, "end_users")), set(expected(account, "responses")),
    )  # fmt: skip


@pytest.mark.slow
def test_a_list_that_was_not_read_to_its_end_is_left_alone(loaded: Load, account: Account) -> None:
    project, sandbox = loaded("remove", "responses")
    before = whole(project)
    account.delete("responses", 103)
    account.put("responses", {**row(120, NOON + 20 * DAY), "updated_at": None})
    assert project.run("--json").code == 1
    assert (asked(sandbox), whole(project)) == ([], before)
    account.delete("responses", 120)
    answers = 0

    def ends(_table: str) -> None:
        nonlocal answers
        answers += 1
        if answers > 2:
            raise Refused(404, "no")

    sandbox.behaviour.before_answer = ends
    assert project.run("--json").code == 1
    assert (asked(sandbox), whole(project)) == ([], before)
    sandbox.behaviour = Behaviour(ignores_updated=LISTS, ignores_sort_key=LISTS)
    assert of(project.run("--json"))["removed"] == 1


@pytest.mark.slow
def test_a_long_list_is_looked_at_where_all_of_it_is_read_again(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.fill("responses", [row(1 + number, NOON + number * 3_600, end_user_id=9) for number in range(400)])
    sandbox = serve(account, **CREATED)
    project = project_for(sandbox, tmp_path / "project", tables="responses", deleted="remove")
    assert project.run().code == 0
    account.delete("responses", 7)
    assert finds_nothing(project, sandbox)
    project.set(staleness=0)
    assert of(project.run("--json"))["gone_ids"] == [7]
    assert project.held("responses") == expected(account, "responses")
    assert finds_nothing(project, sandbox)
    assert is_idle(project, sandbox)
    # Not so a range, a full refresh, which removes it by itself, or a list that tells what has changed.
    account.delete("responses", 8)
    assert finds_nothing(project, sandbox, "--start-date", "2023-11-01", "--end-date", "2023-12-01")
    assert project.run("--full-refresh").code == 0
    assert project.held("responses") == expected(account, "responses")
    sandbox.behaviour = Behaviour()
    account.delete("responses", 9)
    assert finds_nothing(project, sandbox)


@pytest.mark.slow
def test_rows_that_the_reading_does_not_reach_are_left_alone(loaded: Load, account: Account) -> None:
    account.put("responses", row(150, NOON + 9 * DAY, created=4 * NOON, end_user_id=1))
    project, sandbox = loaded("remove", "responses", start_date="2023-11-19")
    # Ranges from before the first day are loaded as well, and are gone in part.
    assert project.run("--start-date", "2023-11-01", "--end-date", "2023-11-19").code == 0
    assert set(project.held("responses")) == set(expected(account, "responses"))
    account.delete("responses", 102)
    # This one is as if it was created after the reading.
    account.delete("responses", 150)
    assert finds_nothing(project, sandbox)
    account.delete("responses", 108)
    assert of(project.run("--json"))["gone_ids"] == [108]
    found = project.run("--find-deleted", "--json").report["tables"]["responses"]
    assert found["gone_ids"] == [102, 150]


@pytest.mark.slow
def test_who_is_forgotten_is_nobody_who_is_gone(loaded: Load, account: Account) -> None:
    project, sandbox = loaded("remove")
    assert project.run("--forget", "3").code == 0
    assert finds_nothing(project, sandbox)
    account.delete("end_users", 3)
    assert finds_nothing(project, sandbox)


@pytest.mark.slow
def test_plain_files_keep_all_rows(loaded: Load, account: Account, tmp_path: Path) -> None:
    sandbox = loaded("remove", "responses")[1]
    project = project_for(sandbox, tmp_path / "files", tables="responses", deleted="remove", files="parquet")
    project.environment |= {
        "DESTINATION_TYPE": "filesystem", "DESTINATION__FILESYSTEM__BUCKET_URL": (tmp_path / "lake").as_uri(),
    }  # fmt: skip
    assert project.run().code == 0
    account.delete("responses", 103)
    found = project.run("--json")
    assert (of(found)["gone_ids"], of(found)["removed"], found.report["deleted"]["deleted"]) == ([103], 0, "keep")
    sandbox.requests.clear()
    assert "deleted" not in project.run("--json").report
    assert asked(sandbox) == []


@pytest.mark.slow
def test_a_load_that_may_not_ask_for_all_goes_on_later(loaded: Load, account: Account) -> None:
    project, _ = loaded("remove", "responses", deleted_requests_max=2)
    for row_id in range(101, 106):
        account.delete("responses", row_id)
    outcome = project.run("--json")
    assert (of(outcome)["gone_ids"], of(outcome)["unasked"]) == ([101, 102], 3)
    assert outcome.report["warnings"] == [
        "responses: 3 rows (id 103, 104, 105) were not asked for by id; --find-deleted goes on there, and so does the "
        "next load that can."
    ]
    assert of(project.run("--json"))["gone_ids"] == [103, 104]
    assert of(project.run("--json"))["gone_ids"] == [105]
    assert project.held("responses") == expected(account, "responses")


@pytest.mark.slow
def test_rows_without_a_person_are_left_alone(loaded: Load, account: Account) -> None:
    account.put("responses", row(120, NOON))
    project, sandbox = loaded("remove")
    account.delete("responses", 120)
    assert finds_nothing(project, sandbox)
    project.set(exclude_columns="responses.end_user_id")
    assert project.run("--full-refresh").code == 0
    account.delete("responses", 103)
    assert finds_nothing(project, sandbox)


@pytest.mark.slow
def test_marts_are_built_of_what_is_left(loaded: Load, account: Account) -> None:
    project, _ = loaded("keep", marts="true")
    account.delete("responses", 103)
    assert of(project.run("--json"))["gone"] == 1
    # Now the load itself changes nothing.
    project.set(deleted="remove")
    outcome = project.run("--json")
    assert (of(outcome)["removed"], outcome.report["tables"]["responses"]["rows"]) == (1, 0)
    ((responses,),) = project.ask("SELECT count(*) FROM wootric_marts.fct_responses")
    assert responses == len(account.rows["responses"])


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [5, 0])
def test_what_a_reading_has_seen_is_kept_over_commits(serve: Serve, minutes: float) -> None:
    account = Account()
    account.fill("responses", [row(1 + number, NOON + number * 3_600, end_user_id=9) for number in range(400)])
    sandbox = serve(account, **CREATED)

    def listed() -> list[int] | None:
        run = Run(isolates_tables=True)
        source = source_for(run, **access(sandbox), staleness=0)
        load(to(), source, run, ["responses"], checkpoint_minutes=minutes)
        whole = run.table("responses").listed
        return None if whole is None else sorted(whole.ids)

    assert listed() is None
    for row_id in range(50, 400, 50):
        account.change("responses", row_id, (NOON + 500 * 3_600 + row_id) * SECOND)
    assert listed() == sorted(account.rows["responses"])
    account.put("responses", {**row(500), "updated_at": None})
    assert listed() is None
