"""People who are forgotten are in no file of a destination any more, and are not loaded again."""

import signal
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.conftest import NOON, Serve, Servers
from tests.destinations.test_canaries import on_disk
from tests.destinations.test_crashes import with_postgres
from tests.destinations.test_deleted import Held
from tests.destinations.test_destination_failures import postgres, wait_until
from tests.destinations.test_refreshes import CLIENTS, DIES_ANYWHERE
from tests.destinations.test_swapping import as_superuser, execute
from tests.end_to_end.test_forget import put
from tests.tables import Rows
from wootric_pipeline.tables import TABLES

OTHER_SESSIONS = """
SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""

PEOPLE = (9001, 9002, 9003)
DAY = 86_400
PLACES = ["duckdb", "sqlite", "file-delta", "file-iceberg", pytest.param("postgres", marks=[postgres, with_postgres])]


def held_with_people(place: str, serve: Serve, servers: Servers, folder: Path) -> Held:
    held = Held(place, serve, servers, folder)
    for number, person in enumerate(PEOPLE):
        put(held.account, person, NOON - number * DAY, has_list=False)
    return held


def without(tables: dict[str, Rows], person: int) -> dict[str, Rows]:
    """What is left of tables when a person is forgotten."""
    left = {name: dict(rows) for name, rows in tables.items()}
    del left["end_users"][person]
    for name, row_id in (("responses", 100 + person), ("declines", 200 + person)):
        told = ("text", "ip_address", "origin_url", "notes")
        left[name][row_id] = {
            key: value for key, value in left[name][row_id].items() if key not in told and key[:10] != "end_user__"
        }
    return left


def unpacked(file: Path) -> bytes:
    """What a file of a table's holds, whose texts are packed."""
    if file.suffix == ".parquet":
        about = pq.ParquetFile(file)
        groups = [about.metadata.row_group(number).to_dict() for number in range(about.num_row_groups)]
        return f"{about.read().to_pydict()}{groups}".encode()
    if file.suffix != ".avro":
        return b""
    # Blocks of Avro's are deflated, and bounded by a mark with which the head ends.
    content = file.read_bytes()
    first, mark = content.index(b"avro.codec"), content[-16:]
    assert b"deflate" in content[first : first + 30]
    _, *blocks = content.split(mark)[:-1]
    return b"".join(inflated(block) for block in blocks)


def inflated(block: bytes) -> bytes:
    """Behind two numbers of a few bytes each, what is deflated."""
    for start in range(2, 12):
        with suppress(zlib.error):
            return zlib.decompress(block[start:], -zlib.MAX_WBITS)
    raise AssertionError("nothing is deflated")


def in_files(place: str, servers: Servers, folder: Path) -> set[int]:
    """Of which of the people something is in the files of the project, or of PostgreSQL's tables and catalog."""
    found = on_disk(folder) + b"".join(map(unpacked, folder.rglob("*.*")))
    if place == "postgres":
        found += on_disk(servers["postgres"].folder / "data" / "base")
    return {person for person in PEOPLE if f"canary-{person}".encode() in found}


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_left_of_who_is_forgotten(place: str, serve: Serve, servers: Servers, tmp_path: Path) -> None:
    held = held_with_people(place, serve, servers, tmp_path)
    log = ("--debug", "--log-file", str(tmp_path / "run.log"))
    assert held.run(*log).code == 0
    # A second version of each row, beside the first one.
    for number, person in enumerate(PEOPLE):
        put(held.account, person, NOON + 1_000 + number, score=9, has_list=False)
    assert held.run(*log).code == 0
    has_marts = place != "sqlite"
    if has_marts:
        # They hold properties of people.
        assert held.run("--marts", *log).code == 0
    before = held.tables()
    assert before == held.now()
    outcome = held.run("--forget", f"canary-{PEOPLE[0]}@x.com", *log)
    told, _, marts = outcome.stdout.partition("\n\n")
    assert bool(marts) == has_marts
    assert (outcome.code, told.splitlines()) == (
        0,
        [
            "end_users: 1 row removed.",
            "responses: 1 row cleared of what is personal.",
            "declines: 1 row cleared of what is personal.",
            f"The person of the id {PEOPLE[0]} will not be loaded again, until --remember.",
        ],
    )
    wanted = without(before, PEOPLE[0])
    assert held.tables() == wanted
    assert in_files(place, servers, tmp_path) == set(PEOPLE[1:])
    for words in ([], ["--full-refresh"]):
        outcome = held.run(*words, *log)
        assert outcome.code == 0
        assert held.tables() == wanted
        assert in_files(place, servers, tmp_path) == set(PEOPLE[1:])
    put(held.account, PEOPLE[0], NOON + 2_000, score=8, has_list=False)
    assert held.run(*log).code == 0
    assert in_files(place, servers, tmp_path) == set(PEOPLE[1:])
    assert held.run("--remember", str(PEOPLE[0])).code == 0
    assert held.run("--full-refresh").code == 0
    assert held.tables() == held.now()


MOMENTS = [
    ("_dlt_pipeline_state", 1),
    ("UPDATE .*end_user_id", 1),
    ("UPDATE .*end_user_id", 2),
    ("DELETE FROM .*end_users", 1),
    ("VACUUM", 2),
    *(("delta", number) for number in (1, 2, 3)),
    ("delta done", 2),
]


@pytest.mark.slow
@pytest.mark.parametrize("place", ["file-delta", pytest.param("postgres", marks=[postgres, with_postgres])])
def test_a_run_that_dies_is_finished_by_the_next(place: str, serve: Serve, servers: Servers, tmp_path: Path) -> None:
    is_delta, died = place == "file-delta", 0
    for pattern, number in MOMENTS:
        if pattern.startswith("delta") != is_delta and pattern != "_dlt_pipeline_state":
            continue
        died += 1
        held = held_with_people(place, serve, servers, folder := tmp_path / str(died))
        assert held.run().code == 0
        before: dict[str, Any] = held.tables()
        prelude = DIES_ANYWHERE.format(pattern=pattern, number=number, client=CLIENTS[place], delta=is_delta)
        assert held.run("--forget", str(PEOPLE[0]), prelude=prelude).code == -signal.SIGKILL
        if place == "postgres":
            # A server sees a moment later that a client is gone, and keeps what its transaction may still look at.
            wait_until(lambda: execute(as_superuser(servers), OTHER_SESSIONS) == [(0,)])
        # What is there is there as it was, or without what tells of the person.
        wanted, found = without(before, PEOPLE[0]), held.tables()
        for table in TABLES:
            for row_id, row in {**before[table], **found[table]}.items():
                assert found[table].get(row_id) in (wanted[table].get(row_id), row)
        assert held.run("--forget", str(PEOPLE[0])).code == 0
        assert held.tables() == wanted
        assert in_files(place, servers, folder) == set(PEOPLE[1:])
        assert held.run().code == 0
        assert held.tables() == wanted


def test_plain_files_are_left_alone(serve: Serve, servers: Servers, tmp_path: Path) -> None:
    held = held_with_people("file-jsonl", serve, servers, tmp_path)
    assert held.run().code == 0
    outcome = held.run("--forget", str(PEOPLE[0]))
    assert (outcome.code, outcome.sentence) == (
        2,
        "Plain files keep each version of a row, and nothing can be removed from them; load into files = "
        '"delta" instead, with exclude_columns or hash_columns, and delete them.',
    )
