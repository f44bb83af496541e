"""What a destination needs and is not installed is told before the first request."""

import sys
from pathlib import Path

import dlt
import pytest
from dlt.pipeline.exceptions import PipelineStepFailed

from tests.conftest import NOON, Serve, access, row
from tests.script import project_for
from wootric_pipeline import wootric_source
from wootric_pipeline.errors import ConfigurationError
from wootric_pipeline.sandbox import Account

USER_MISTAKE = 2
MISSING = [
    ("delta", "deltalake", "dlt[deltalake]"),
    ("iceberg", "pyiceberg", "dlt[pyiceberg]"),
    ("iceberg", "sqlalchemy", "dlt[pyiceberg]"),
]


def account() -> Account:
    account = Account()
    account.put("responses", row(1, NOON))
    return account


def sentence(files: str, extra: str) -> str:
    return f'files = "{files}" needs more packages; install them with: pip install "{extra}"'


@pytest.mark.parametrize("words", [[], ["--check"]])
@pytest.mark.parametrize(("files", "hidden", "extra"), MISSING)
def test_the_command_tells_it(
    files: str, hidden: str, extra: str, words: list[str], serve: Serve, tmp_path: Path
) -> None:
    sandbox = serve(account())
    project = project_for(sandbox, tmp_path, files=files)
    outcome = project.run(
        "--destination",
        "filesystem",
        *words,
        prelude=f"import sys; sys.modules[{hidden!r}] = None",
        DESTINATION__FILESYSTEM__BUCKET_URL=str(tmp_path / "files"),
    )
    assert (outcome.code, outcome.stdout, outcome.sentence) == (USER_MISTAKE, "", sentence(files, extra))
    assert sandbox.requests == []
    assert not (tmp_path / "files").exists()


@pytest.mark.parametrize(("files", "hidden", "extra"), MISSING)
def test_the_source_by_itself_tells_it(
    files: str, hidden: str, extra: str, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = serve(account())
    for name in [name for name in sys.modules if name.startswith("dlt.common.libs.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, hidden, None)
    pipeline = dlt.pipeline("surveys", destination=dlt.destinations.filesystem(str(tmp_path / "files")))
    with pytest.raises(PipelineStepFailed) as failure:
        pipeline.run(wootric_source(**access(sandbox), files=files))
    told = [str(cause) for cause in causes(failure.value) if isinstance(cause, ConfigurationError)]
    assert told == [sentence(files, extra)]
    assert sandbox.requests == []


def causes(error: BaseException | None) -> list[BaseException]:
    return [error, *causes(error.__cause__ or error.__context__)] if error else []
