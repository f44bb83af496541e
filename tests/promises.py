"""What users rely on, kept in files: settings, columns, keys, and the rows of a small account.

`python -m tests.promises` writes the files anew, the rows from the sandbox's own and not from loaded ones. A line that
then differs needs a reason.
"""

import inspect
import json
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import pytest

from tests.conftest import NOON, PROJECT
from tests.end_to_end.test_privacy import LOG_EVERYTHING, LOUDEST, SECRETS
from tests.script import Outcome, Project, project_for
from tests.tables import Rows, expected
from wootric_pipeline import wootric_source
from wootric_pipeline.sandbox import DemoAccount, Sandbox
from wootric_pipeline.sandbox import server as sandbox_module
from wootric_pipeline.tables import TABLES

SCHEMA = PROJECT / "tests/schemas/wootric.json"
RECORDS = PROJECT / "tests/expected_records"
WATCH = f"""{LOG_EVERYTHING}; import sys
sys.addaudithook(lambda event, of: event == "socket.connect" and print("connects to", of[1][0], file=sys.stderr))"""


class Sample(NamedTuple):
    """A small account, and what two runs of the script made of it; the first logged all it could."""

    sandbox: Sandbox
    project: Project
    outcomes: list[Outcome]


def load_sample(folder: Path) -> Sample:
    """Loads the account, lets half a minute pass in it, and loads what changed."""
    account = DemoAccount(NOON, end_users=12, responses=20, declines=8)
    with pytest.MonkeyPatch.context() as patch, Sandbox(account) as sandbox:
        patch.setattr(sandbox_module, "CLIENT_SECRET", SECRETS["client_secret"])
        project = project_for(sandbox, folder, client_secret=SECRETS["client_secret"])
        outcomes = [project.run_anew("--json", prelude=WATCH, **LOUDEST)]
        account.advance(NOON + 30)
        outcomes.append(project.run("--json"))
    assert [outcome.code for outcome in outcomes] == [0, 0]
    return Sample(sandbox, project, outcomes)


def schema(project: Project) -> dict[str, dict[str, Any]]:
    """Settings with their defaults, columns with their types, and primary keys, as they are now."""
    stored = project.folder / "dlt/pipelines/wootric_pipeline/schemas/wootric.schema.json"
    found = {name: table["columns"] for name, table in json.loads(stored.read_text())["tables"].items()}
    declared = wootric_source("id", "secret").discover_schema().tables
    # A column that comes with data alone is no promise, unless it is of the customer's own keys or of a list.
    columns = {
        name: {
            key: column["data_type"]
            for key, column in found[name].items()
            if not key.startswith("_dlt")
            and (name not in TABLES or "properties__" in key or key in declared[name]["columns"])
        }
        for name in sorted(found)
        if not name.startswith("_dlt")
    }
    keys = {name: [key for key, each in found[name].items() if each.get("primary_key")] for name in TABLES}
    return {"settings": defaults(), "columns": columns, "primary_keys": keys}


def defaults() -> dict[str, Any]:
    """The source's arguments, with their defaults."""
    return {name: argument.default for name, argument in inspect.signature(wootric_source).parameters.items()}


def kept(kind: str) -> dict[str, Any]:
    """What `schema` said when it was last written."""
    promised: dict[str, Any] = json.loads(SCHEMA.read_text())[kind]
    return promised


def includes(new: Any, old: Any) -> bool:
    """Whether the new has all of the old; it may have more."""
    if isinstance(old, dict):
        return isinstance(new, dict) and all(name in new and includes(new[name], old[name]) for name in old)
    return bool(old == new)


def lines(rows: Rows) -> str:
    """Rows as canonical JSON, one a line, in the order of their ids."""
    ordered = (rows[row_id] for row_id in sorted(rows))
    return "".join(
        json.dumps(each, sort_keys=True, ensure_ascii=False, default=datetime.isoformat) + "\n" for each in ordered
    )


def write() -> None:
    """Writes the files anew."""
    with TemporaryDirectory() as folder:
        sample = load_sample(Path(folder))
        SCHEMA.write_text(json.dumps(schema(sample.project), indent=2) + "\n", encoding="utf-8")
    for table in TABLES:
        text = lines(expected(sample.sandbox.account, table))
        (RECORDS / f"{table}.jsonl").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write()
