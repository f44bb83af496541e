"""Two programs that load into one dataset at the same time, with plain dlt: no row is lost, and none comes twice."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import NOON, PROJECT, Serve, Servers, access, first
from tests.destinations.test_destination_failures import postgres
from tests.destinations.test_destinations import configuration, pipeline_to
from tests.tables import expected, loaded
from wootric_pipeline.sandbox import SECOND, DemoAccount
from wootric_pipeline.tables import TABLES

ROUNDS = 50
DAY = 86_400
REQUESTS_OF_RESPONSES = 4
"""A look at what is before the range, two pages, and the list from its other end."""
MIDDLE = "2022-11-14"
ALL = {"start_date": "2019-01-01", "end_date": "2023-11-15"}
SAME_RANGE = [ALL, ALL]
SIDE_BY_SIDE = [{**ALL, "end_date": MIDDLE}, {**ALL, "start_date": MIDDLE}]

DESTINATIONS = [
    pytest.param("postgres", marks=postgres),
    "duckdb",
    "sqlite",
    "file-delta",
]
LOADED: dict[str, Any] = {"ok": True}
WAITS: dict[str, Any] = {"waits": True}
SETTINGS = {
    "postgres": ["DESTINATION__POSTGRES__CREDENTIALS"],
    "duckdb": ["DESTINATION__DUCKDB__CREDENTIALS"],
    "sqlite": ["DESTINATION__SQLALCHEMY__CREDENTIALS"],
    "file-delta": ["DESTINATION__FILESYSTEM__BUCKET_URL", "SOURCES__WOOTRIC__FILES"],
}
KINDS = {"file-delta": "filesystem", "sqlite": "sqlalchemy"}


class Loader:
    """A program that loads what it is told; see `tests/loader.py`."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def begin(self, *, source: dict[str, Any], **order: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({**order, "source": {"tables": list(TABLES), **source}}) + "\n")
        self.process.stdin.flush()

    def answers(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def ends(self) -> dict[str, Any]:
        """What it answers in the end, having waited or not."""
        return answer if (answer := self.answers()) != WAITS else self.answers()


@contextmanager
def loader(folder: Path, settings: dict[str, str], seed: str) -> Iterator[Loader]:
    """Starts one with a working folder of its own, as on another machine."""
    folder.mkdir(exist_ok=True)
    environment = {"PATH": "", "HOME": str(folder), "DLT_DATA_DIR": str(folder), "PYTHONPATH": str(PROJECT)}
    environment |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL", **settings}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.loader", seed], cwd=folder, env=environment, encoding="utf-8",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            yield Loader(process)
        finally:
            process.kill()


Two = Callable[[str], list[Loader]]


@pytest.fixture
def two(servers: Servers, tmp_path: Path) -> Iterator[Two]:
    """Starts two loaders for a kind of destination, whose settings become the test's, too."""
    with ExitStack() as running, pytest.MonkeyPatch.context() as patch:

        def start(kind: str) -> list[Loader]:
            settings = configuration(kind, servers, tmp_path)
            if kind == "duckdb":
                settings = {"DESTINATION__DUCKDB__CREDENTIALS": str(tmp_path / "surveys.duckdb")}
            for name, value in settings.items():
                patch.setenv(name, value)
            names = ("one", "other")
            return [running.enter_context(loader(tmp_path / name, settings, name)) for name in names]

        yield start


def at_once(
    loaders: Sequence[Loader], account: DemoAccount, kind: str, dataset: str, sources: Sequence[dict[str, Any]]
) -> None:
    """Has both load at the same time; both succeed, and whole tables are the account's then."""
    destination = KINDS.get(kind, kind)
    # One server has the datasets of all tests, each with an account of its own.
    dataset += f"_{urlsplit(sources[0]['base_url']).port}"
    for each, source in zip(loaders, sources, strict=True):
        each.begin(destination=destination, dataset=dataset, source=source, forgets=True)
    assert [each.ends() for each in loaders] == [LOADED, LOADED]
    holds_everything(account, destination, dataset)


def holds_everything(account: DemoAccount, destination: str, dataset: str) -> None:
    pipeline = pipeline_to(destination, dataset)
    pipeline.drop()
    pipeline.sync_destination()
    for table in TABLES:
        assert loaded(pipeline, table) == expected(account, table), table
    pipeline.deactivate()


@pytest.fixture
def account() -> DemoAccount:
    return DemoAccount(NOON, end_users=20, responses=60, declines=20)


@pytest.mark.parametrize("kind", DESTINATIONS)
@pytest.mark.parametrize(
    "sources", first(pytest.param(SAME_RANGE, id="same range"), pytest.param(SIDE_BY_SIDE, id="side by side"))
)
def test_two_at_once_lose_and_double_nothing(
    kind: str, sources: list[dict[str, str]], two: Two, account: DemoAccount, serve: Serve
) -> None:
    sandbox = serve(account)
    loaders = two(kind)
    for number in range(2):
        at_once(loaders, account, kind, f"round_{number}", [{**access(sandbox), **source} for source in sources])


@postgres
def test_two_runs_without_a_range_lose_and_double_nothing(two: Two, account: DemoAccount, serve: Serve) -> None:
    sandbox = serve(account)
    at_once(two("postgres"), account, "postgres", "everything", [access(sandbox), access(sandbox)])


@pytest.mark.parametrize("kind", first(*DESTINATIONS))
def test_what_was_read_before_another_loader_is_not_loaded_after_it(
    kind: str, two: Two, account: DemoAccount, serve: Serve
) -> None:
    sandbox = serve(account)
    backfill, hourly = two(kind)
    destination = KINDS.get(kind, kind)
    old = min(account.rows["responses"].values(), key=lambda row: row["updated_at"])["id"]
    others: list[dict[str, Any]] = []

    def meanwhile(table: str) -> None:
        """The first row of the range, which has been read, moves out of it, and the other loader reads it there."""
        if (
            table == "responses"
            and sum(each.path == "/v1/responses" for each in sandbox.requests) == REQUESTS_OF_RESPONSES
        ):
            sandbox.behaviour.before_answer = None
            account.change("responses", old, (NOON + 2 * DAY) * SECOND, score=3)
            hourly.begin(destination=destination, dataset="stale", source=access(sandbox))
            others.append(hourly.answers())

    sandbox.behaviour.before_answer = meanwhile
    backfill.begin(destination=destination, dataset="stale", source={**access(sandbox), **ALL, "connections": 1})
    assert backfill.ends() == LOADED
    assert others == [WAITS]
    assert hourly.ends() == LOADED
    holds_everything(account, destination, "stale")


@pytest.mark.parametrize("kind", [*first(*DESTINATIONS[:3]), DESTINATIONS[3]])
def test_a_loader_that_is_killed_stands_in_nobodys_way(
    kind: str, two: Two, account: DemoAccount, serve: Serve, tmp_path: Path
) -> None:
    sandbox = serve(account)
    killed, other = two(kind)
    destination = KINDS.get(kind, kind)
    earlier, later = ({**access(sandbox), **each} for each in SIDE_BY_SIDE)
    killed.begin(destination=destination, dataset="killed", source=later, dies=True)
    assert killed.process.wait() == -signal.SIGKILL
    with loader(tmp_path / "one", {name: os.environ[name] for name in SETTINGS[kind]}, "one") as again:
        # What the killed one has left is of another range.
        again.begin(destination=destination, dataset="killed", source=earlier)
        assert again.ends() == LOADED
    middle = datetime.fromisoformat(f"{MIDDLE}T00:00:00+00:00").timestamp() * SECOND
    pipeline = pipeline_to(destination, "killed")
    pipeline.sync_destination()
    assert set(loaded(pipeline, "responses")) == {
        row_id for row_id, row in account.rows["responses"].items() if row["updated_at"] < middle
    }
    other.begin(destination=destination, dataset="killed", source=later)
    assert other.ends() == LOADED
    holds_everything(account, destination, "killed")


@pytest.mark.slow
@postgres
def test_fifty_rounds_on_postgres_lose_and_double_nothing(two: Two, account: DemoAccount, serve: Serve) -> None:
    sandbox = serve(account)
    loaders = two("postgres")
    for number in range(ROUNDS):
        sources = SIDE_BY_SIDE if number % 2 else SAME_RANGE
        at_once(loaders, account, "postgres", f"round_{number}", [{**access(sandbox), **each} for each in sources])
