"""What every test starts from: an empty working folder, no settings of the machine's, and accounts to read."""

import gc
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pytest
from _pytest.mark import ParameterSet
from dlt.pipeline.pipeline import Pipeline
from hypothesis import settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants

from tests.servers import Server, postgres, s3
from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET, SECOND, Account, Behaviour, Sandbox

PROJECT = Path(__file__).parent.parent
NOON = 1_700_000_000
"""2023-11-14 22:13:20 UTC: a moment in UNIX seconds that tests count from."""

# The examples of a search shall not be others because some constant anywhere in the package has changed.
providers._get_local_constants = Constants

# How long an example takes depends on what else the machine does.
settings.register_profile("timeless", settings(), deadline=None)
settings.load_profile("timeless")

# A shell that runs the tests in the background has it ignored, which they and the programs they start would inherit.
signal.signal(signal.SIGINT, signal.default_int_handler)

Serve = Callable[..., Sandbox]
Servers = Mapping[str, Server]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks each test by its folder: `pytest -m "unit or end_to_end"`."""
    for item in items:
        item.add_marker(item.path.relative_to(PROJECT / "tests").parts[0])


def pytest_collection_finish() -> None:
    """Leaves what was imported out of all later collections of garbage, which would go through it again and again."""
    gc.freeze()


def first(case: Any, *others: Any) -> list[Any]:
    """Parameters of a test: CI takes the first one, the others are slow. Each may be a tuple, or have marks already."""
    params = [each if isinstance(each, ParameterSet) else pytest.param(*_tuple(each)) for each in others]
    return [case, *(pytest.param(*each.values, marks=[*each.marks, pytest.mark.slow], id=each.id) for each in params)]


def _tuple(case: Any) -> tuple[Any, ...]:
    return case if isinstance(case, tuple) else (case,)


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs each test in a folder of its own, with dlt's working files in it and no settings from outside."""
    for name in list(os.environ):
        if name.startswith(("SOURCES__", "DESTINATION", "PIPELINES__", "RUNTIME__", "DLT_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "CRITICAL")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts sandboxes: `serve(account, rate_limit=10)`; they stop with the test."""
    with ExitStack() as running:

        def start(account: Account, **behaviour: Any) -> Sandbox:
            return running.enter_context(Sandbox(account, Behaviour(**behaviour)))

        yield start


@pytest.fixture
def pipeline() -> Iterator[Pipeline]:
    """Loads into a DuckDB file that stays open: to open and close it a dozen times takes as long as a small load."""
    with duckdb.connect("wootric_pipeline.duckdb"):
        yield dlt.pipeline("wootric_pipeline", destination="duckdb", dataset_name="wootric")


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """Servers that are started when a test first needs one, and are gone with the last: `servers["postgres"]`."""
    with ExitStack() as running:

        class Started(dict[str, Server]):
            def __missing__(self, name: str) -> Server:
                start = {"postgres": postgres, "s3": s3}[name]
                self[name] = running.enter_context(start())
                return self[name]

        yield Started()


def access(sandbox: Sandbox) -> dict[str, Any]:
    """The arguments of `wootric_source` for a sandbox."""
    return {"base_url": sandbox.url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


def row(row_id: int, second: int = NOON, *, created: int | None = None, **fields: Any) -> dict[str, Any]:
    """A row of an account, updated in a second; `created` defaults to the same second."""
    created_second = second if created is None else created
    return {"id": row_id, "created_at": created_second * SECOND, "updated_at": second * SECOND, **fields}
