"""Several accounts: each has settings, a pipeline, a dataset, a state and a lock of its own."""

import json
from pathlib import Path
from typing import Any

import dlt
import pytest

from tests.conftest import NOON, Serve, access, row
from tests.documents import block
from tests.script import Project, expected
from tests.tables import loaded
from wootric_pipeline import wootric_source
from wootric_pipeline.destinations.file_lock import try_lock
from wootric_pipeline.errors import ConfigurationError
from wootric_pipeline.sandbox import PASSWORD, USERNAME, Account, Sandbox
from wootric_pipeline.tables import TABLES

CLONE = block("python", "clone", "docs/operations.md")
ACME = "wootric_acme_pipeline.duckdb"
NO_NAME = (
    "{} cannot be the name of an account: use small letters, digits and single underscores, 40 at most, no name of a "
    "table or setting, and none of dbt, demo, marts, pipeline, runs, staging at the end."
)
REFUSED = "Wootric refuses the credentials: check client_id and client_secret, or username and password, under [{}]."


def account_of(first_id: int, count: int = 3) -> Account:
    account = Account()
    for table in TABLES:
        account.fill(table, [row(first_id + index, NOON + index) for index in range(count)])
    return account


def settings_of(name: str, sandbox: Sandbox, **others: object) -> str:
    given = {**access(sandbox), **others}
    return f"[sources.wootric.{name}]\n" + "".join(f'{key} = "{value}"\n' for key, value in given.items())


def project_of(folder: Path, **sandboxes: Sandbox) -> Project:
    project = Project(folder)
    project.write(".dlt/secrets.toml", "".join(settings_of(name, each) for name, each in sandboxes.items()))
    return project


def held(project: Project, name: str) -> dict[str, dict[int, int]]:
    return {table: project.held(table, f"wootric_{name}", f"wootric_{name}_pipeline.duckdb") for table in TABLES}


def all_of(account: Account) -> dict[str, dict[int, int]]:
    return {table: expected(account, table) for table in TABLES}


@pytest.mark.slow
def test_two_accounts_are_loaded_one_after_the_other_and_one_of_them_again(serve: Serve, tmp_path: Path) -> None:
    accounts = {"acme": account_of(1), "globex": account_of(100)}
    sandboxes = {name: serve(account) for name, account in accounts.items()}
    project = project_of(tmp_path, **sandboxes)

    first = project.run("--accounts", "all")
    assert (first.code, first.stderr) == (0, "")
    lines = first.stdout.splitlines()
    assert lines.index("acme:") < lines.index("globex:")
    assert {name: held(project, name) for name in accounts} == {name: all_of(each) for name, each in accounts.items()}

    # Cursors are each account's own: a full refresh of one leaves that of the other.
    for account in accounts.values():
        account.delete("responses", min(account.rows["responses"]))
    refreshed = project.run("--account", "acme", "--full-refresh", "--json").report
    assert (refreshed["account"], refreshed["pipeline"], refreshed["dataset"]) == ("acme",) + ("wootric_acme",) * 2
    assert refreshed["tables"]["responses"]["rows_removed"] == 1
    assert held(project, "acme") == all_of(accounts["acme"])
    both = _list(project.run("--accounts", "globex, acme", "--json").stdout)
    assert [(each["account"], each["ok"]) for each in both] == [("globex", True), ("acme", True)]
    assert all(table["cursor_before"] for each in both for name, table in each["tables"].items() if name in TABLES)
    assert len(held(project, "globex")["responses"]) == 3


@pytest.mark.slow
def test_one_that_fails_does_not_stop_the_others(serve: Serve, tmp_path: Path) -> None:
    accounts = {"acme": account_of(1), "globex": account_of(100), "initech": account_of(200)}
    project = project_of(tmp_path, **{name: serve(account) for name, account in accounts.items()})
    wrong = {"SOURCES__WOOTRIC__ACME__CLIENT_SECRET": "wrong", "SOURCES__WOOTRIC__GLOBEX__CHECKPOINT_MINUTES": "-1"}
    outcome = project.run("--accounts", "all", **wrong)
    assert outcome.code == 2
    assert outcome.stderr.splitlines() == [
        f"acme: {REFUSED.format('sources.wootric.acme')}",
        "globex: checkpoint_minutes must be 0 or more.",
    ]
    assert held(project, "initech") == all_of(accounts["initech"])
    reports = project.run("--accounts", "all", "--json", **wrong)
    assert [each["ok"] for each in _list(reports.stdout)] == [False, False, True]

    # The code is the worst of theirs, whichever comes last.
    unreachable = {"SOURCES__WOOTRIC__GLOBEX__BASE_URL": "http://127.0.0.1:1"}
    prelude = "import wootric_pipeline.api.transport as c; c.RETRY_SECONDS_MAX = c.BACKOFF_SECONDS_MAX = 0"
    assert project.run("--accounts", "all", prelude=prelude, **unreachable).code == 1


def _list(stdout: str) -> list[dict[str, Any]]:
    (line,) = stdout.splitlines()
    found: list[dict[str, Any]] = json.loads(line)
    return found


def test_settings_of_an_account_go_before_common_ones_wherever_they_stand(serve: Serve, tmp_path: Path) -> None:
    account = account_of(1)
    sandbox = serve(account)
    project = Project(tmp_path)
    project.write(
        ".dlt/config.toml",
        f'[sources.wootric.acme]\nbase_url = "{sandbox.url}"\nfiles = "jsonl"\ntables = ["declines"]\n',
    )
    # A client of all accounts would sign in for the person otherwise; and the environment is asked first by dlt.
    person = {"SOURCES__WOOTRIC__ACME__USERNAME": USERNAME, "SOURCES__WOOTRIC__ACME__PASSWORD": PASSWORD}
    common = {
        "CLIENT_ID": "another's",
        "CLIENT_SECRET": "another's",
        "BASE_URL": "http://127.0.0.1:1",
        "FILES": "delta",
    }
    outcome = project.run(
        "--account", "acme", "--destination", "filesystem", **person,
        **{f"SOURCES__WOOTRIC__{name}": value for name, value in common.items()},
        DESTINATION__FILESYSTEM__BUCKET_URL=str(tmp_path / "files"),
    )  # fmt: skip
    assert (outcome.code, outcome.stderr) == (0, "")
    written = {each.parent.name for each in (tmp_path / "files/wootric_acme").rglob("*.jsonl*")}
    assert "declines" in written
    assert "responses" not in written


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--account", "acne"), "There is no account acne: give it settings under [sources.wootric.acne]; there are "
         "acme, globex."),
        (("--accounts", "acme,acne"), "There is no account acne: give it settings under [sources.wootric.acne]; there "
         "are acme, globex."),
        *(
            (("--account", name), NO_NAME.format(name))
            for name in ("Acme", "responses", "surveys", "pipeline", "demo", "marts", "a_marts", "a_staging", "a__b")
        ),
        (("--account", " "), "--account names no account; name one, or leave it out."),
        (("--accounts", "acme,"), "--accounts names no account; name one, or leave it out."),
        (("--account", "acme", "--accounts", "all"), "--account and --accounts contradict each other; leave one out."),
        (("--account", "acme", "--demo"), "--demo loads an account of its own; leave out --account and --accounts."),
        (("--accounts", "all", "--dataset", "one"), "--accounts cannot give all of them the same --dataset; leave that "
         "out, or run each by itself with --account."),
        (("--accounts", "all", "--report", "a.html"), "--accounts cannot give all of them the same --report; leave "
         "that out, or run each by itself with --account."),
    ],
)  # fmt: skip
def test_a_mistake_is_told_before_anything_is_loaded(
    serve: Serve, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    sandbox = serve(account_of(1))
    outcome = project_of(tmp_path, acme=sandbox, globex=sandbox).run(*words)
    assert (outcome.code, outcome.sentence) == (2, sentence)
    assert sandbox.requests == []


def test_without_accounts_there_are_none_to_load(tmp_path: Path) -> None:
    outcome = Project(tmp_path).run("--accounts", "all")
    assert (outcome.code, outcome.sentence) == (
        2,
        "No account has settings of its own, as there may be under [sources.wootric.acme]; give them some, or leave "
        "out --accounts.",
    )


def test_misspelled_settings_of_an_account_are_refused(serve: Serve, tmp_path: Path) -> None:
    project = project_of(tmp_path, acme=serve(account_of(1)))
    project.write(".dlt/config.toml", '[sources.wootric.acme]\nexclude_column = "responses.text"\n')
    outcome = project.run("--account", "acme")
    assert (outcome.code, outcome.sentence) == (
        2, "There is no setting exclude_column under [sources.wootric.acme]; the nearest is exclude_columns.",
    )  # fmt: skip


def test_settings_that_are_tables_are_no_accounts(serve: Serve, tmp_path: Path) -> None:
    project = project_of(tmp_path, acme=serve(account_of(1)))
    surveys = 'surveys = {11 = "nps"}\n'
    project.write(".dlt/config.toml", f"[sources.wootric]\n{surveys}[sources.wootric.acme]\n{surveys}")
    outcome = project.run("--accounts", "all", "--check")
    assert (outcome.code, outcome.stderr) == (0, "")


@pytest.mark.slow
def test_two_accounts_never_come_into_one_dataset(serve: Serve, tmp_path: Path) -> None:
    accounts = {"acme": account_of(1), "globex": account_of(100)}
    project = project_of(tmp_path, **{name: serve(account) for name, account in accounts.items()})
    one_file = {"DESTINATION__DUCKDB__CREDENTIALS": "all.duckdb"}
    assert project.run("--accounts", "all", **one_file).code == 0
    for name, account in accounts.items():
        assert {table: project.held(table, f"wootric_{name}", "all.duckdb") for table in TABLES} == all_of(account)
    outcome = project.run("--account", "globex", "--dataset", "wootric_acme", **one_file)
    assert (outcome.code, outcome.sentence) == (
        2, "The dataset wootric_acme holds the rows of another account, loaded by wootric_acme; choose another with "
        "--dataset.",
    )  # fmt: skip
    assert {table: project.held(table, "wootric_acme", "all.duckdb") for table in TABLES} == all_of(accounts["acme"])


def test_each_account_has_a_lock_of_its_own(serve: Serve, tmp_path: Path) -> None:
    project = project_of(tmp_path, acme=serve(account_of(1)), globex=serve(account_of(100)))
    lock = tmp_path / "dlt/pipelines/wootric_acme.lock"
    lock.parent.mkdir(parents=True)
    with lock.open("a") as file:
        assert try_lock(file)
        outcome = project.run("--accounts", "all")
    assert outcome.code == 2
    assert outcome.sentence == (
        "acme: Another run of wootric_acme is under way; run again when it has ended, or with --wait."
    )
    assert len(held(project, "globex")["responses"]) == 3


@pytest.mark.slow
def test_the_settings_of_a_pipeline_say_where_an_account_goes(serve: Serve, tmp_path: Path) -> None:
    account = account_of(1)
    project = project_of(tmp_path, acme=serve(account))
    common = project.run("--account", "acme", "--json", DATASET_NAME="surveys").report
    assert common["dataset"] == "surveys_acme"
    own = project.run("--account", "acme", "--json", PIPELINES__WOOTRIC_ACME__DATASET_NAME="mine").report
    assert own["dataset"] == "mine"
    assert project.held("responses", "mine", ACME) == expected(account, "responses")


@pytest.mark.slow
def test_what_follows_a_load_is_of_the_account(serve: Serve, tmp_path: Path) -> None:
    account = account_of(1)
    project = project_of(tmp_path, acme=serve(account))
    assert project.run("--account", "acme", SOURCES__WOOTRIC__ACME__MARTS="true").code == 0
    assert project.ask("SELECT count(*) FROM wootric_acme_marts.fct_responses", ACME) == [(3,)]
    status = project.run("--account", "acme", "--status", "--max-age", "1")
    assert status.code == 0
    assert project.run("--account", "acme", "--report", "page.html").code == 0
    assert (tmp_path / "page.html").exists()


def test_the_documented_account_is_loaded(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = account_of(1)
    monkeypatch.chdir(tmp_path)
    for key, value in access(serve(account)).items():
        monkeypatch.setenv(f"SOURCES__WOOTRIC__ACME__{key.upper()}", value)
    found: dict[str, Any] = {"dlt": dlt, "wootric_source": wootric_source}
    exec(CLONE, found)
    assert set(loaded(dlt.attach("wootric_acme"), "responses")) == set(account.rows["responses"])


def test_a_clone_of_the_source_is_an_account_of_plain_dlt(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = {"acme": account_of(1), "globex": account_of(100)}
    monkeypatch.chdir(tmp_path)
    for name, section in (("acme", "SOURCES__WOOTRIC__ACME"), ("globex", "SOURCES__GLOBEX")):
        for key, value in access(serve(accounts[name])).items():
            monkeypatch.setenv(f"{section}__{key.upper()}", value)
    for name, section in (("acme", "wootric"), ("globex", "globex")):
        pipeline = dlt.pipeline(
            f"plain_{name}", destination=dlt.destinations.duckdb(f"{name}.duckdb"), dataset_name=f"of_{name}"
        )
        pipeline.run(wootric_source.clone(name=name, section=section)())
        assert set(loaded(pipeline, "responses")) == set(accounts[name].rows["responses"])
    monkeypatch.delenv("SOURCES__GLOBEX__CLIENT_SECRET")
    with pytest.raises(ConfigurationError, match=r"under \[sources.globex\] in .* or as SOURCES__GLOBEX__CLIENT_ID"):
        wootric_source.clone(name="globex", section="globex")()
