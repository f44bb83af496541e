"""Rows that are gone in Wootric: found by their ids, and kept, marked or removed; nothing goes that may be there."""

from collections.abc import Callable, Collection
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOON, Serve, first, row
from tests.script import TABLE_NAMES, Outcome, Project, expected, project_for
from wootric_pipeline.sandbox import SECOND, Account, Behaviour, Refused, Sandbox
from wootric_pipeline.sandbox.server import _Handler

DAY = 86_400
HEAD = [
    "table      rows  not listed  there by id  gone  came back",
    "---------  ----  ----------  -----------  ----  ---------",
]
CREATED = {"ignores_updated": frozenset(TABLE_NAMES)}
Load = Callable[..., tuple[Project, Sandbox]]


@pytest.fixture
def account() -> Account:
    """Ten people with a response of two tags each, and a decline."""
    account = Account()
    for day in range(10):
        at = NOON + day * DAY
        last = {"id": 101 + day, "score": day, "text": None}
        account.put("end_users", row(1 + day, at, email=f"{day}@example.com", last_response=last))
        account.put("responses", row(101 + day, at, end_user_id=1 + day, score=day, tags=["a", f"{day}"]))
        account.put("declines", row(201 + day, at, end_user_id=1 + day))
    return account


@pytest.fixture
def loaded(account: Account, serve: Serve, tmp_path: Path) -> Load:
    def load(deleted: str = "", **behaviour: Any) -> tuple[Project, Sandbox]:
        sandbox = serve(account, **behaviour)
        project = project_for(sandbox, tmp_path / "project", tables=",".join(TABLE_NAMES))
        if deleted:
            project.set(deleted=deleted)
        assert project.run().code == 0
        return project, sandbox

    return load


def gone(project: Project, table: str) -> set[int]:
    """The ids of rows that are marked."""
    return {row_id for (row_id,) in project.ask(f"SELECT id FROM wootric.{table} WHERE _deleted_at IS NOT NULL")}


def whole(project: Project, *, but: str = "_deleted_at") -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, without dlt's columns and marks."""
    return {
        name: project.ask(f"SELECT COLUMNS(c -> NOT starts_with(c, '_dlt') AND c <> '{but}') FROM {name} ORDER BY ALL")
        for name in project.loaded()
    }


def tables(outcome: Outcome) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = outcome.report["tables"]
    return found


def delete(account: Account, **ids: Collection[int]) -> None:
    for table, gone in ids.items():
        for row_id in gone:
            account.delete(table, row_id)


@pytest.mark.parametrize("behaviour", first({}, CREATED), ids=["updated", "created"])
def test_what_is_gone_is_told(loaded: Load, account: Account, behaviour: dict[str, Any]) -> None:
    project, sandbox = loaded(**behaviour)
    before = project.loaded()
    delete(account, responses=(103, 104))
    outcome = project.run("--find-deleted")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout.splitlines() == [
        *HEAD,
        "end_users  10    0           0            0     0",
        "responses  10    2           0            2     0",
        "declines   10    0           0            0     0",
        "responses: 2 rows (id 103, 104) are gone in Wootric, and kept.",
    ]
    assert project.loaded() == before
    # They are asked for once.
    asked = [each.path for each in sandbox.requests if each.path.count("/") > 2]
    assert asked == ["/v1/end_users/3/responses/103", "/v1/end_users/4/responses/104"]
    assert tables(project.run("--find-deleted", "--json"))["responses"]["gone_ids"] == [103, 104]
    assert [each.path for each in sandbox.requests if each.path.count("/") > 2] == asked
    kept = (
        "SELECT kind, table_name, complete, rows, rows_gone FROM wootric.wootric_runs WHERE kind <> 'load' ORDER BY ALL"
    )
    assert project.ask(kept) == [
        ("find_deleted", name, True, 0, 2 * (name == "responses"))
        for name in sorted(TABLE_NAMES)
        for _ in range(2)
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [{}, CREATED], ids=["updated", "created"])
def test_what_is_gone_is_removed_with_its_tags(loaded: Load, account: Account, behaviour: dict[str, Any]) -> None:
    project, _ = loaded("remove", **behaviour)
    delete(account, responses=(103, 104), declines=(205,), end_users=(7,))
    outcome = project.run("--find-deleted", "--json")
    assert outcome.code == 0
    assert {name: each["removed"] for name, each in tables(outcome).items()} == {
        "end_users": 1, "responses": 2, "declines": 1,
    }  # fmt: skip
    after = whole(project)
    for table in TABLE_NAMES:
        assert project.held(table) == expected(account, table)
    left = [tag for each in account.rows["responses"].values() for tag in each["tags"]]
    assert sorted(value for (value,) in project.ask("SELECT value FROM wootric.responses__tags")) == sorted(left)
    # That a person is gone, or a last response, is no reason to look for it.
    assert project.run("--verify").code == 0
    assert tables(project.run("--find-deleted", "--json"))["responses"]["unlisted"] == 0
    assert project.run().code == 0
    assert whole(project) == after


@pytest.mark.slow
def test_rows_that_no_list_shows_are_not_gone(loaded: Load, account: Account) -> None:
    project, sandbox = loaded("remove")
    before = project.loaded()
    sandbox.behaviour.unlisted = {"end_users": (2, 3), "responses": (105,), "declines": (206,)}
    account.delete("end_users", 3)
    outcome = project.run("--find-deleted")
    assert outcome.stdout.splitlines() == [
        *HEAD,
        "end_users  10    2           1            1     0",
        "responses  10    1           1            0     0",
        "declines   10    1           1            0     0",
        "end_users: 1 row (id 3) is gone in Wootric, and removed.",
    ]
    after = project.loaded()
    assert len(before.pop("wootric.end_users")) - len(after.pop("wootric.end_users")) == 1
    assert after == before


@pytest.mark.slow
def test_a_mark_tells_when_it_was_found_out(loaded: Load, account: Account) -> None:
    project, _ = loaded("mark")
    before = whole(project)
    delete(account, responses=(103,), end_users=(3,))
    start = datetime.now(timezone.utc)
    assert project.run("--find-deleted").code == 0
    assert whole(project) == before
    marks = project.ask(
        "SELECT id, _deleted_at FROM wootric.responses UNION ALL SELECT id, _deleted_at FROM wootric.end_users"
    )
    found = {row_id: at for row_id, at in marks if at is not None}
    assert set(found) == {3, 103}
    assert all(start <= at <= datetime.now(timezone.utc) for at in found.values())
    # A mark stays as it is.
    assert tables(project.run("--find-deleted", "--json"))["responses"]["unlisted"] == 0
    assert project.run().code == 0
    assert {row_id: at for row_id, at in project.ask("SELECT id, _deleted_at FROM wootric.responses") if at} == {
        103: found[103]
    }


@pytest.mark.slow
def test_marks_are_there_for_tables_that_were_loaded_without(loaded: Load, account: Account) -> None:
    project, _ = loaded()
    before = whole(project)
    account.delete("responses", 103)
    project.set(deleted="mark")
    assert project.run("--find-deleted").code == 0
    assert whole(project) == before
    assert gone(project, "responses") == {103}
    # As from another machine, and in a run in which another row changes.
    account.change("responses", 105, (NOON + 20 * DAY) * SECOND, score=1)
    outcome = project.run("--json", DLT_DATA_DIR=str(project.folder / "other"))
    assert (outcome.code, outcome.report["schema_changes"]) == (0, [])
    assert gone(project, "responses") == {103}
    assert project.held("responses") == {**expected(account, "responses"), 103: NOON + 2 * DAY}


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [{}, CREATED], ids=["updated", "created"])
@pytest.mark.parametrize("day", [9, 2, 20], ids=["as_it_was", "long_ago", "changed"])
def test_a_person_who_comes_back_is_unmarked(
    loaded: Load, account: Account, behaviour: dict[str, Any], day: int
) -> None:
    project, _ = loaded("mark", **behaviour)
    row_id = 1 + min(day, 9)
    before = account.rows["end_users"][row_id]
    account.delete("end_users", row_id)
    assert project.run("--find-deleted").code == 0
    assert gone(project, "end_users") == {row_id}
    account.put("end_users", before)
    if day > 9:
        account.change("end_users", row_id, (NOON + day * DAY) * SECOND)
    assert project.run().code == 0
    # What is as it was long ago comes with no load, and is seen by one that reads the whole list.
    is_unseen = day == 2 and not behaviour
    assert gone(project, "end_users") == ({row_id} if is_unseen else set())
    assert tables(project.run("--find-deleted", "--json"))["end_users"]["unmarked"] == is_unseen
    assert gone(project, "end_users") == set()
    assert project.held("end_users") == expected(account, "end_users")


@pytest.mark.slow
@pytest.mark.parametrize("deleted", ["mark", "remove"])
def test_a_row_that_was_removed_and_comes_back_is_loaded(loaded: Load, account: Account, deleted: str) -> None:
    project, _ = loaded(deleted)
    before, whole_before = account.rows["responses"][110], whole(project)
    account.delete("responses", 110)
    assert project.run("--find-deleted").code == 0
    account.put("responses", before)
    assert project.run().code == 0
    assert whole(project) == whole_before


@pytest.mark.slow
def test_what_is_marked_may_be_removed_later(loaded: Load, account: Account) -> None:
    project, _ = loaded("mark")
    account.delete("responses", 103)
    assert project.run("--find-deleted").code == 0
    project.set(deleted="keep")
    assert tables(project.run("--find-deleted", "--json"))["responses"]["unlisted"] == 0
    project.set(deleted="remove")
    assert tables(project.run("--find-deleted", "--json"))["responses"]["removed"] == 1
    assert project.held("responses") == expected(account, "responses")
    assert gone(project, "responses") == set()


def refused(status: int, table: str = "responses") -> Callable[[str], None]:
    def refuse(asked: str) -> None:
        if asked == table:
            raise Refused(status, "no")

    return refuse


NOT_OF_WOOTRIC = {
    "a web page": (b"<html>not here</html>", "text/html"),
    "nothing": (b"", "text/plain"),
    "a gateway's": (b'{"message": "no Route matched with those values"}', "application/json"),
    "of the sign-in": (b'{"error": "Not found", "status": 404}', "application/json"),
    "an empty list": (b"[]", "application/json"),
    "not that alone": (
        b'{"type": "error_list", "errors": [{"status": "internal"}, {"status": "record_not_found"}]}',
        "application/json",
    ),
    "another error": (b'{"type": "error_list", "errors": [{"status": "forbidden"}]}', "application/json"),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", NOT_OF_WOOTRIC)
def test_404_of_somebody_else_is_no_proof_that_a_row_is_gone(
    loaded: Load, account: Account, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, sandbox = loaded("remove")
    before = project.loaded()
    sandbox.behaviour = Behaviour(unlisted={"responses": (103,), "end_users": (5,)})
    body, content_type = NOT_OF_WOOTRIC[kind]
    respond = _Handler._respond

    def in_an_outage(self: Any, form: dict[str, str]) -> None:
        if self.path.split("?")[0].count("/") < 3:
            respond(self, form)
            return
        self.send_response(404)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    with monkeypatch.context() as patch:
        patch.setattr(_Handler, "_respond", in_an_outage)
        outcome = project.run("--find-deleted")
        assert outcome.code == 1
        assert outcome.sentence.startswith("What is gone cannot be told, and nothing was done")
        assert project.loaded() == before
        # Nor that it will never be there.
        project.alter("DELETE FROM wootric.end_users WHERE id = 5")
        assert project.run("--repair").code == 1
    assert project.run("--verify").code == 1
    assert project.run("--repair").code == 0
    assert project.held("end_users") == expected(account, "end_users")


@pytest.mark.slow
@pytest.mark.parametrize("deleted", ["keep", "mark", "remove"])
def test_after_an_incomplete_reading_nothing_is_done(loaded: Load, account: Account, deleted: str) -> None:
    project, sandbox = loaded(deleted)
    before = project.loaded()
    # The first list can be read, and shows what is gone.
    delete(account, end_users=(3,), responses=(103,))
    sandbox.behaviour.before_answer = refused(404)
    outcome = project.run("--find-deleted")
    assert outcome.code == 1
    assert outcome.sentence.startswith(
        "What is gone cannot be told, and nothing was done, since responses cannot be read completely: "
    )
    assert outcome.stdout == ""
    assert project.loaded() == before
    told = "SELECT kind, complete, error FROM wootric.wootric_runs WHERE kind <> 'load'"
    assert project.ask(told) == [("find_deleted", False, outcome.sentence)] * 3
    sandbox.behaviour = Behaviour()
    assert tables(project.run("--find-deleted", "--json"))["end_users"]["gone_ids"] == [3]


def test_a_list_that_ends_early_is_no_reason_to_believe_that_rows_are_gone(serve: Serve, tmp_path: Path) -> None:
    account = Account()
    account.fill("responses", [row(1 + number, NOON + number * 60, end_user_id=9) for number in range(400)])
    sandbox = serve(account)
    project = project_for(sandbox, tmp_path / "project", tables="responses", deleted="remove")
    assert project.run().code == 0
    before = project.loaded()
    answered = 0
    content = sandbox._list

    def cut(request: Any) -> Any:
        nonlocal answered
        answered += 1
        return content(request) if answered < 4 else []

    sandbox._list = cut  # type: ignore[method-assign]
    outcome = project.run("--find-deleted", "--yes")
    assert (outcome.code, project.loaded()) == (1, before)


def many(serve: Serve, tmp_path: Path, rows: int, **settings: Any) -> tuple[Account, Project, Sandbox]:
    account = Account()
    account.fill("responses", [row(1 + number, NOON + number * 60, end_user_id=9) for number in range(rows)])
    sandbox = serve(account)
    project = project_for(sandbox, tmp_path / "project", tables="responses", deleted="remove", **settings)
    assert project.run().code == 0
    return account, project, sandbox


@pytest.mark.slow
@pytest.mark.parametrize(("rows", "most"), [(400, 100), (6_000, 120)])
def test_more_than_a_few_rows_go_only_where_somebody_agrees(serve: Serve, tmp_path: Path, rows: int, most: int) -> None:
    account, project, _ = many(serve, tmp_path, rows)
    before = project.loaded()
    delete(account, responses=range(1, 2 + most))
    outcome = project.run("--find-deleted", "--json")
    assert (outcome.code, outcome.sentence) == (
        2,
        f"--find-deleted would remove what is gone: {most + 1} of {rows:,} rows of responses. Add --yes to remove "
        'them, or see with deleted = "keep" which they are.',
    )
    counts = outcome.report["tables"]["responses"]
    assert (counts["gone"], counts["removed"], outcome.report["error"]) == (most + 1, 0, outcome.sentence)
    assert project.loaded() == before
    # Whoever is only told need not agree.
    assert project.run("--find-deleted", SOURCES__WOOTRIC__DELETED="keep").code == 0
    account.put("responses", row(1, end_user_id=9))
    assert project.run("--find-deleted").code == 0
    assert set(project.held("responses")) == {1, *range(2 + most, 1 + rows)}


@pytest.mark.slow
def test_all_that_may_be_gone_counts_and_not_what_was_asked_for(serve: Serve, tmp_path: Path) -> None:
    account, project, _ = many(serve, tmp_path, 300, deleted_requests_max=50)
    before = project.loaded()
    delete(account, responses=range(1, 121))
    outcome = project.run("--find-deleted")
    assert (outcome.code, "what is gone: 120 of 300 rows of responses." in outcome.sentence) == (2, True)
    assert project.loaded() == before
    left = []
    for _ in range(3):
        outcome = project.run("--find-deleted", "--yes", "--json")
        left.append((outcome.code, outcome.report["tables"]["responses"]["unasked"]))
    assert left == [(1, 70), (1, 20), (0, 0)]
    assert project.held("responses") == expected(account, "responses")


@pytest.mark.slow
def test_rows_that_no_list_shows_leave_room_for_others(serve: Serve, tmp_path: Path) -> None:
    account, project, sandbox = many(serve, tmp_path, 120, deleted_requests_max=40)
    sandbox.behaviour.unlisted = {"responses": range(1, 61)}
    delete(account, responses=range(61, 91))
    removed = []
    for _ in range(3):
        outcome = project.run("--find-deleted", "--json")
        removed.append(outcome.report["tables"]["responses"]["removed"])
    assert removed == [0, 20, 10]
    assert outcome.sentence == (
        "responses: 30 rows (id 31, 32, 33, 34, 35, 36, 37, 38, 39, 40 and others) were not asked for by id; the next "
        "--find-deleted goes on there."
    )
    assert project.held("responses") == expected(account, "responses")


@pytest.mark.slow
def test_a_list_that_is_suddenly_empty_empties_nothing(loaded: Load, account: Account) -> None:
    project, _ = loaded("remove")
    before = project.loaded()
    delete(account, declines=range(201, 211))
    outcome = project.run("--find-deleted")
    assert (outcome.code, "what is gone: 10 of 10 rows of declines." in outcome.sentence) == (2, True)
    assert project.loaded() == before
    assert project.run("--find-deleted", "--yes").code == 0
    assert project.held("declines") == {}


@pytest.mark.slow
def test_a_table_that_begins_with_a_day_is_read_from_there(account: Account, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(account)
    start = datetime.fromtimestamp(NOON + 4 * DAY, timezone.utc).isoformat()
    project = project_for(sandbox, tmp_path / "other", tables="responses", deleted="remove", start_date=start)
    assert project.run().code == 0
    account.delete("responses", 108)
    asked = len(sandbox.requests)
    assert tables(project.run("--find-deleted", "--json"))["responses"]["removed"] == 1
    assert sorted(project.held("responses")) == [105, 106, 107, 109, 110]
    params = [each.params for each in sandbox.requests[asked:] if each.path == "/v1/responses"]
    upwards = [int(each["updated[gte]"]) for each in params if each["sort_order"] == "asc"]
    assert min(upwards) >= NOON + 3 * DAY


def test_rows_that_come_while_lists_are_read_are_left_alone(loaded: Load, account: Account) -> None:
    project, sandbox = loaded("remove")

    def grow(table: str) -> None:
        number = len(account.rows[table])
        if number < 20:
            account.put(table, row(900 + number, NOON + 50 * DAY + number, end_user_id=1))
            account.change("responses", 102, (NOON + 60 * DAY + number) * SECOND)

    sandbox.behaviour.before_answer = grow
    found = tables(project.run("--find-deleted", "--json"))
    assert {name: each["unlisted"] for name, each in found.items()} == dict.fromkeys(TABLE_NAMES, 0)


@pytest.mark.slow
def test_a_full_refresh_removes_what_is_gone_whatever_is_set(loaded: Load, account: Account) -> None:
    project, _ = loaded("mark")
    delete(account, responses=(103, 104))
    assert project.run("--find-deleted", "--tables", "end_users,responses").code == 0
    account.put("responses", row(104, NOON, end_user_id=4))
    assert project.run("--full-refresh").code == 0
    assert project.held("responses") == expected(account, "responses")
    # The column stays.
    assert gone(project, "responses") == set()


@pytest.mark.slow
def test_rows_of_nobody_are_left_alone(loaded: Load, account: Account) -> None:
    account.put("declines", row(220, NOON))
    project, _ = loaded("remove")
    delete(account, declines=(220, 201))
    outcome = project.run("--find-deleted", "--json")
    assert (outcome.code, outcome.report["warnings"]) == (
        0, ["declines: 1 row (id 220) without a person, so that Wootric cannot be asked for it by its id."],
    )  # fmt: skip
    assert project.held("declines") == {**expected(account, "declines"), 220: NOON}


@pytest.mark.slow
def test_tables_that_cannot_be_compared_are_named(account: Account, serve: Serve, tmp_path: Path) -> None:
    project = project_for(
        serve(account), tmp_path / "other", tables="end_users,responses", exclude_columns="responses.end_user_id"
    )
    assert project.run().code == 0
    report = project.run("--find-deleted", "--tables", ",".join(TABLE_NAMES), "--json").report
    assert (list(report["tables"]), report["unchecked"]) == (
        ["end_users"],
        [
            "responses.end_user_id is not loaded, without which no row of responses can be asked for by its id.",
            "declines is not loaded.",
        ],
    )
    outcome = project.run("--find-deleted", "--tables", "declines")
    assert (outcome.code, outcome.sentence) == (
        2, "There are no ids to compare with Wootric's. declines is not loaded.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "settings", "sentence"),
    [
        ([], {}, "Nothing was loaded into the dataset wootric yet; load it first."),
        ([], {"deleted": "delete"}, "deleted must be one of keep, mark, remove."),
        ([], {"deleted_requests_max": 0}, "deleted_requests_max must be 1 or more."),
        (
            ["--start-date", "2024-01-01", "--end-date", "2024-02-01"],
            {},
            "--find-deleted loads nothing; leave out --start-date, --end-date.",
        ),
        (["--full-refresh"], {}, "--find-deleted loads nothing; leave out --full-refresh."),
        (["--verify"], {}, "--find-deleted is a run of its own; leave out --status, --verify and --repair."),
    ],
)
def test_mistakes(serve: Serve, tmp_path: Path, words: list[str], settings: dict[str, Any], sentence: str) -> None:
    outcome = project_for(serve(Account()), tmp_path / "project", **settings).run("--find-deleted", *words)
    assert (outcome.code, outcome.sentence) == (2, sentence)


def test_an_unknown_value_is_a_mistake_in_any_run(serve: Serve, tmp_path: Path) -> None:
    outcome = project_for(serve(Account()), tmp_path / "project", deleted="Mark").run()
    assert (outcome.code, outcome.sentence) == (2, "deleted must be one of keep, mark, remove.")


def test_another_accounts_credentials_remove_nothing(loaded: Load) -> None:
    project, _ = loaded("remove")
    before = project.loaded()
    outcome = project.run(
        "--find-deleted", SOURCES__WOOTRIC__CLIENT_ID="", SOURCES__WOOTRIC__CLIENT_SECRET="",
        SOURCES__WOOTRIC__USERNAME="sandbox@example.com", SOURCES__WOOTRIC__PASSWORD="sandbox",
    )  # fmt: skip
    assert (outcome.code, outcome.sentence.startswith("What was loaded before came with other credentials")) == (
        2,
        True,
    )
    assert project.loaded() == before


@pytest.mark.slow
def test_the_column_of_marks_may_go_and_come_back(loaded: Load, account: Account) -> None:
    project, _ = loaded("mark")
    project.set(deleted="keep")
    assert project.run("--full-refresh").code == 0
    project.set(deleted="mark")
    account.change("declines", 205, (NOON + 20 * DAY) * SECOND)
    account.delete("responses", 103)
    outcome = project.run()
    assert (outcome.code, outcome.stderr) == (0, "")
    assert project.run("--find-deleted").code == 0
    assert (gone(project, "responses"), gone(project, "declines")) == ({103}, set())
    assert project.held("declines") == expected(account, "declines")


@pytest.mark.slow
def test_a_column_that_is_gone_from_where_rows_are_merged_as_well_is_made_again(loaded: Load, account: Account) -> None:
    project, _ = loaded()
    account.change("declines", 205, (NOON + 20 * DAY) * SECOND)
    assert project.run().code == 0
    for dataset in ("wootric", "wootric_staging"):
        project.alter(f"ALTER TABLE {dataset}.declines DROP COLUMN ip_address")
    assert project.run().code == 1
    outcome = project.run("--full-refresh", "--tables", "declines")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert project.held("declines") == expected(account, "declines")
    assert project.run().code == 0
