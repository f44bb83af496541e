"""No value that is hashed or left out is on any disk, byte for byte: neither at the destination nor where dlt works."""

import gzip
from pathlib import Path
from typing import Any

import pytest
from dlt.pipeline.pipeline import Pipeline

from tests.conftest import NOON, Serve, access, first, row
from tests.destinations.test_destinations import destination, pipeline_to, run
from tests.unit.test_hashing import KEY, hashed
from wootric_pipeline import wootric_source
from wootric_pipeline.destinations.layout import kind_of
from wootric_pipeline.sandbox import Account

__all__ = ["destination"]

HASHED, GONE, KEPT = "canary-hashed", "canary-left-out", "canary-kept"
PLACES = [
    pytest.param(name, marks=pytest.mark.xdist_group(name.partition("-")[0]))
    for name in ("duckdb", "postgres", "file-delta")
]
PATTERNS: dict[str, Any] = {
    "hash_columns": ["personal", "responses.tags", "responses.score", "*ssn*", "*.new_field*"],
    "exclude_columns": ["*.origin_url", "*secret*"],
    "hash_key": KEY,
}


def canary_account(second: int = 0) -> Account:
    account = Account()
    fill(account, second)
    return account


def fill(account: Account, second: int) -> None:
    """Puts a canary wherever something is hashed or left out, another each time."""
    canary, gone = f"{HASHED}-{second}", f"{GONE}-{second}"
    about = {
        "plan": KEPT,
        "SSN": canary,
        "secret": gone,
        "inner": {"ssn": [canary, {"a": canary, "secret": gone}]},
        "people": [{"ssn": canary, "plan": KEPT}],
    }
    answer = {"id": 2, "score": 9, "text": canary}
    fields: dict[str, Any] = {"email": f"{canary}@x.com", "phone_number": canary, "external_id": canary}
    account.put("end_users", row(1, NOON + second, **fields, properties=about, last_response=answer))
    person = {"email": f"{canary}@x.com", "phone_number": canary, "properties": about}
    lists: dict[str, Any] = {
        "tags": [canary, {"a": canary}],
        "notes": [{"text": canary, "by": {"name": canary}}, canary],
    }
    told: dict[str, Any] = {
        "text": canary,
        "score": canary,
        "ip_address": {"odd": canary},
        "origin_url": gone,
        "new_field": [canary],
    }
    account.put("responses", row(2, NOON + second, end_user_id=1, end_user=person, **lists, **told))
    account.put("declines", row(3, NOON + second, end_user_id=1, end_user=person, origin_url=gone, ip_address=canary))


def on_disk(folder: Path) -> bytes:
    """All that is in the files of a folder, packed or not."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return b"\n".join(
        gzip.decompress(each.read_bytes()) if each.suffix == ".gz" else each.read_bytes() for each in files
    )


def dump(pipeline: Pipeline) -> str:
    """All rows of all tables of a PostgreSQL database, also of staging and of dlt's own; nothing of others."""
    if kind_of(pipeline) != "postgres":
        return ""
    tables = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema LIKE 'canaries%%'"
    with pipeline.sql_client() as client:
        names = client.execute_sql(tables) or []
        return str([client.execute_sql(f'SELECT t::text FROM "{schema}"."{name}" t') for schema, name in names])


def held(pipeline: Pipeline, folder: Path) -> set[str]:
    """Which of the canaries are anywhere."""
    found = on_disk(folder) + dump(pipeline).encode()
    return {word for word in (HASHED, GONE, KEPT, KEY) if word.encode() in found}


@pytest.mark.parametrize("destination", PLACES, indirect=True)
@pytest.mark.parametrize("properties", first("columns", "json"))
def test_no_value_that_is_hashed_or_left_out_is_on_a_disk(
    destination: str,
    properties: str,
    serve: Serve,
    tmp_path: Path,
) -> None:
    account = canary_account()
    sandbox = serve(account)
    pipeline = pipeline_to(destination, f"canaries_{properties}")
    source = wootric_source(**access(sandbox), properties=properties, **PATTERNS)
    for step in (lambda: pipeline.extract(source), pipeline.normalize, pipeline.load):
        step()
        assert held(pipeline, tmp_path) == {KEPT}
    fill(account, 60)
    assert run(pipeline, sandbox, properties=properties, **PATTERNS).ok
    assert held(pipeline, tmp_path) == {KEPT}
    assert run(pipeline, sandbox, properties=properties, full_refresh=True, **PATTERNS).ok
    assert held(pipeline, tmp_path) == {KEPT}
    found = on_disk(tmp_path) + dump(pipeline).encode()
    assert hashed(f"{HASHED}-60").encode() in found
