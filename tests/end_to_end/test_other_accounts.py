"""A dataset belongs to the account whose rows were loaded first: another's never come into it unnoticed."""

from typing import Any

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, access, row
from tests.script import project_for
from tests.tables import expected, loaded
from wootric_pipeline import wootric_source
from wootric_pipeline.api.client import Credentials
from wootric_pipeline.command.failures import explain
from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET, PASSWORD, USERNAME, Account, Sandbox
from wootric_pipeline.tables import TABLES

DAY = 86_400
SENTENCE = (
    "What was loaded before came with other credentials: if they are another account's, choose another --dataset for "
    "this one; if the same account has got new ones, or this one shall take the other's place, load all tables again "
    "with --full-refresh."
)

REPLACES = (
    "--full-refresh would replace what came with other credentials: 3 rows of end_users; 3 rows of responses; 3 rows "
    "of declines. Add --yes to remove it, or choose another --dataset."
)


def account_of(first_id: int, day: int = 0) -> Account:
    account = Account()
    for table in TABLES:
        account.fill(table, [row(first_id + index, NOON + day * DAY + index) for index in range(3)])
    return account


def as_person(sandbox: Sandbox) -> dict[str, Any]:
    """Signs in as somebody else than `access` does."""
    return {"base_url": sandbox.url, "username": USERNAME, "password": PASSWORD}


def test_accounts_are_told_apart_whatever_their_secrets() -> None:
    def digest(base_url: str = "https://api.wootric.com", **given: str) -> str:
        return Credentials(**given).account(base_url)

    client = digest(client_id="a", client_secret="1")
    assert client == digest(client_id="a", client_secret="2")
    assert client == digest("https://api.wootric.com/", client_id="a", client_secret="3")
    person = {"username": "p@example.com", "password": "1"}
    others = [
        digest(client_id="b", client_secret="1"),
        digest("https://api.wootric.eu", client_id="a", client_secret="1"),
        digest(**person),
        digest(**person, account_token="NPS-1"),
        digest(**person, account_token="NPS-2"),
        digest("https://api.wootric.com:8443", client_id="a", client_secret="1"),
        digest("https://api.wootric.com/other/", client_id="a", client_secret="1"),
    ]
    assert len({client, *others}) == 8
    assert client == digest("https://API.wootric.com:443", client_id="a", client_secret="1")
    assert digest(**{**person, "password": "2"}) == others[2]
    assert not any(word in each for each in (client, *others) for word in ("wootric", "example", "NPS"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--tables", "responses"),
        ("--start-date", "2020-01-01", "--end-date", "2024-01-01"),
        ("--full-refresh", "--tables", "responses"),
    ],
)
def test_another_accounts_rows_are_refused(serve: Serve, tmp_path: Any, words: tuple[str, ...]) -> None:
    project = project_for(serve(account_of(1)), tmp_path)
    assert project.run("--tables", "end_users,responses").code == 0
    before = project.loaded()
    sandbox = serve(account_of(100, day=-5))
    other = project_for(sandbox, tmp_path, **as_person(sandbox), client_id="", client_secret="")
    for _ in range(2):
        outcome = other.run(*words)
        assert (outcome.code, outcome.sentence) == (2, SENTENCE)
    # Credentials that are nobody's are told as such.
    assert {request.path for request in sandbox.requests} <= {"/oauth/token"}
    assert project.loaded() == before
    assert project.run().code == 0


@pytest.mark.slow
def test_another_account_may_take_all_tables_over(serve: Serve, tmp_path: Any) -> None:
    project = project_for(serve(account_of(1)), tmp_path)
    assert project.run().code == 0
    sandbox = serve(account_of(100, day=-5))
    other = project_for(sandbox, tmp_path, **as_person(sandbox), client_id="", client_secret="")
    before = other.loaded()
    outcome = other.run("--full-refresh")
    assert (outcome.code, outcome.sentence) == (2, REPLACES)
    assert {request.path for request in sandbox.requests} == {"/oauth/token"}
    assert other.loaded() == before
    assert other.run("--full-refresh", "--yes").code == 0
    assert {table: sorted(other.held(table)) for table in TABLES} == {table: [100, 101, 102] for table in TABLES}
    assert other.run().code == 0
    assert (project.run().code, project.run().sentence) == (2, SENTENCE)


def test_it_holds_without_the_command(pipeline: Pipeline, serve: Serve) -> None:
    account = account_of(1)
    sandbox = serve(account)
    pipeline.run(wootric_source(**access(sandbox)))
    for source in (
        wootric_source(**as_person(sandbox)),
        wootric_source(**as_person(sandbox)).with_resources("declines"),
        wootric_source(**as_person(sandbox), start_date="2020-01-01", end_date="2024-01-01"),
    ):
        with pytest.raises(PipelineStepFailed) as failed:
            pipeline.run(source)
        assert explain(failed.value) == (SENTENCE, 2)
    # In a folder that knows nothing, too.
    pipeline.drop()
    with pytest.raises(PipelineStepFailed) as failed:
        pipeline.run(wootric_source(**as_person(sandbox)))
    assert explain(failed.value) == (SENTENCE, 2)
    account.put("responses", row(9, NOON + 9))
    pipeline.run(wootric_source(**access(sandbox)))
    assert loaded(pipeline, "responses") == expected(account, "responses")
    pipeline.run(wootric_source(**as_person(sandbox)), refresh="drop_sources")
    assert loaded(pipeline, "responses") == expected(account, "responses")


def test_what_former_versions_have_loaded_is_adopted(pipeline: Pipeline, serve: Serve) -> None:
    sandbox = serve(account_of(1))
    pipeline.run(wootric_source(**access(sandbox)))
    with pipeline.managed_state(extract_state=True) as state:
        del state["sources"]["wootric"]["account"]
    pipeline.normalize()
    pipeline.load()
    pipeline.run(wootric_source(**as_person(sandbox)))
    with pytest.raises(PipelineStepFailed) as failed:
        dlt.pipeline("wootric_pipeline").run(wootric_source(**access(sandbox)))
    assert explain(failed.value) == (SENTENCE, 2)


def test_accounts_behind_one_host_are_told_apart(pipeline: Pipeline, serve: Serve) -> None:
    one, other = serve(account_of(1)), serve(account_of(100))
    pipeline.run(wootric_source(**access(one)))
    with pytest.raises(PipelineStepFailed) as failed:
        pipeline.run(wootric_source(**access(other)))
    assert explain(failed.value) == (SENTENCE, 2)


def test_an_account_noted_by_its_host_alone_is_known_again(pipeline: Pipeline, serve: Serve) -> None:
    sandbox, other = serve(account_of(1)), serve(account_of(100))
    pipeline.run(wootric_source(**access(sandbox)))
    credentials = Credentials(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)
    with pipeline.managed_state(extract_state=True) as state:
        state["sources"]["wootric"]["account"] = credentials.former_account(sandbox.url)
    pipeline.normalize()
    pipeline.load()
    pipeline.run(wootric_source(**access(sandbox)))
    with pytest.raises(PipelineStepFailed) as failed:
        pipeline.run(wootric_source(**access(other)))
    assert explain(failed.value) == (SENTENCE, 2)
