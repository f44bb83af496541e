"""Rows that are gone in Wootric are marked and removed wherever rows can be, whenever a run is killed."""

import signal
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOON, Serve, Servers, first
from tests.destinations.test_crashes import with_postgres
from tests.destinations.test_destination_failures import postgres
from tests.destinations.test_destinations import configuration, pipeline_to
from tests.destinations.test_refreshes import CLIENTS, DIES_ANYWHERE
from tests.script import Outcome, Project, project_for
from tests.tables import Rows, expected, loaded
from wootric_pipeline.sandbox import SECOND, DemoAccount
from wootric_pipeline.tables import DELETED_AT, TABLES

KINDS = {"sqlite": "sqlalchemy", "file": "filesystem"}
PLACES = [
    *first(pytest.param("postgres", marks=[postgres, with_postgres]), "sqlite"),
    *first("file-delta", "file-iceberg"),
]
LISTS = ",".join(TABLES)


class Held:
    """An account, and the tables of a user's project.

    Args:
        place: Where to.
    """

    def __init__(self, place: str, serve: Serve, servers: Servers, folder: Path) -> None:
        self.account = DemoAccount(NOON, end_users=30, responses=60, declines=20)
        self.settings = {
            **configuration(place, servers, folder),
            "DESTINATION_TYPE": KINDS.get(place.partition("-")[0], place),
            "DATASET_NAME": "deleted_" + folder.name,
        }
        if place == "duckdb":
            self.settings["DESTINATION__DUCKDB__CREDENTIALS"] = str(folder / "surveys.duckdb")
        self.project: Project = project_for(serve(self.account), folder / "project", tables=LISTS)

    def run(self, *words: str, prelude: str = "", **settings: str) -> Outcome:
        return self.project.run(*words, prelude=prelude, **self.settings, **settings)

    def tables(self) -> dict[str, Rows]:
        """Whole tables, as from another machine."""
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.settings.items():
                patch.setenv(name, value)
            pipeline = pipeline_to(self.settings["DESTINATION_TYPE"], self.settings["DATASET_NAME"])
            pipeline.sync_destination()
            return {table: loaded(pipeline, table) for table in TABLES}

    def now(self) -> dict[str, Rows]:
        return {table: expected(self.account, table) for table in TABLES}

    def delete(self, count: int = 2) -> None:
        for table in TABLES:
            for row_id in sorted(self.account.rows[table])[:count]:
                self.account.delete(table, row_id)


def parted(tables: dict[str, Rows]) -> tuple[dict[str, Rows], dict[str, dict[int, datetime]]]:
    """Tables without marks, and the marks."""
    marks: dict[str, dict[int, datetime]] = {}
    for name, rows in tables.items():
        found: dict[int, Any] = {row_id: row.pop(DELETED_AT) for row_id, row in rows.items() if DELETED_AT in row}
        marks[name] = {row_id: utc(at) for row_id, at in found.items()}
    return tables, marks


def utc(at: Any) -> datetime:
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    assert isinstance(moment, datetime)
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


@pytest.mark.parametrize("place", PLACES)
def test_rows_are_marked_unmarked_and_removed(place: str, serve: Serve, servers: Servers, tmp_path: Path) -> None:
    held = Held(place, serve, servers, tmp_path)
    mark, remove = {"SOURCES__WOOTRIC__DELETED": "mark"}, {"SOURCES__WOOTRIC__DELETED": "remove"}
    assert held.run().code == 0
    before, people = held.now(), sorted(held.account.rows["end_users"])
    rows = [dict(held.account.rows["end_users"][row_id]) for row_id in people[:2]]
    held.delete()
    start = datetime.now(timezone.utc)
    assert held.run("--find-deleted", **mark).code == 0
    whole, marks = parted(held.tables())
    assert whole == before
    assert {name: sorted(found) for name, found in marks.items()} == {name: sorted(before[name])[:2] for name in TABLES}
    assert all(start <= at <= datetime.now(timezone.utc) for found in marks.values() for at in found.values())

    # One comes back with a change, and another as it was.
    held.account.put("end_users", rows[0] | {"updated_at": (NOON + 99) * SECOND})
    held.account.put("end_users", rows[1])
    assert held.run(**mark).code == 0
    assert sorted(parted(held.tables())[1]["end_users"]) == people[1:2]
    assert held.run("--find-deleted", **mark).code == 0
    whole, marks = parted(held.tables())
    assert whole["end_users"] == held.now()["end_users"]
    assert marks["end_users"] == {}

    assert held.run("--find-deleted", **remove).code == 0
    assert parted(held.tables()) == (held.now(), {name: {} for name in TABLES})
    assert held.run(**remove).code == 0
    assert parted(held.tables()) == (held.now(), {name: {} for name in TABLES})


def test_plain_files_tell_what_is_gone_and_are_left_alone(serve: Serve, servers: Servers, tmp_path: Path) -> None:
    held = Held("file-jsonl", serve, servers, tmp_path)
    assert held.run().code == 0
    files = sorted(path for path in (tmp_path / "bucket").rglob("*.jsonl*") if "_dlt" not in str(path))
    gone = sorted(held.account.rows["declines"])[:2]
    held.delete()
    for deleted in ("mark", "remove"):
        outcome = held.run("--find-deleted", SOURCES__WOOTRIC__DELETED=deleted)
        assert (outcome.code, outcome.sentence) == (
            2,
            "Plain files keep each version of a row, and none of them can be marked or removed; set deleted = "
            '"keep", which tells what is gone, or load into files = "delta".',
        )
    report = held.run("--find-deleted", "--json").report
    assert (report["ok"], report["tables"]["declines"]["gone_ids"]) == (True, gone)
    after = sorted(path for path in (tmp_path / "bucket").rglob("*.jsonl*") if "_dlt" not in str(path))
    assert [path for path in after if "wootric_runs" not in str(path)] == [
        path for path in files if "wootric_runs" not in str(path)
    ]


MOMENTS = [
    ("_dlt_pipeline_state", 1),
    *(("DELETE FROM .*id", number) for number in (1, 4)),
    *(("UPDATE .*_deleted_at", number) for number in (1, 3)),
    ("ALTER TABLE .*_deleted_at", 2),
    *(("commit_transaction", number) for number in (2, 5)),
    ("delta", 2),
    ("delta done", 1),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "deleted"),
    [
        ("duckdb", "mark"),
        ("sqlite", "remove"),
        ("file-delta", "mark"),
        ("file-delta", "remove"),
        pytest.param("postgres", "remove", marks=[postgres, with_postgres]),
    ],
)
def test_a_run_that_dies_leaves_nothing_that_the_next_one_does_not_mend(
    place: str, deleted: str, serve: Serve, servers: Servers, tmp_path: Path
) -> None:
    held, died = Held(place, serve, servers, tmp_path), 0
    settings = {"SOURCES__WOOTRIC__DELETED": deleted}
    assert held.run().code == 0
    everything = held.now()
    for pattern, number in MOMENTS:
        if pattern.startswith("delta") != (place == "file-delta") and pattern != "_dlt_pipeline_state":
            continue
        held.delete(1)
        alive = held.now()
        prelude = DIES_ANYWHERE.format(
            pattern=pattern, number=number, client=CLIENTS[place], delta=place == "file-delta"
        )
        code = held.run("--find-deleted", prelude=prelude, **settings).code
        assert code in (0, -signal.SIGKILL)
        died += code != 0
        # What is there is there as it was, and all that Wootric has is there.
        whole, marks = parted(held.tables())
        for table in TABLES:
            assert {row_id: whole[table][row_id] for row_id in alive[table]} == alive[table]
            assert not set(marks[table]) & set(alive[table])
        assert held.run("--find-deleted", **settings).code == 0
        whole, marks = parted(held.tables())
        assert whole == (alive if deleted == "remove" else everything)
        assert {name: set(found) for name, found in marks.items()} == {
            name: set() if deleted == "remove" else set(everything[name]) - set(alive[name]) for name in TABLES
        }
    assert died >= 3
