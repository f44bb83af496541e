"""What stands where an object should be, of which something is hashed or left out, may be just that."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve, first, row
from tests.script import project_for
from wootric_pipeline.sandbox import Account

CANARY = "canary@example.com"
NUMBER = 15551234567
OTHERS: list[Any] = [CANARY, [CANARY], [{"text": CANARY}, CANARY], NUMBER]
HASHING = {"hash_key": "a key of some length"}


@pytest.mark.parametrize("properties", first("columns", "json"))
@pytest.mark.parametrize("other", OTHERS, ids=["text", "list", "mixed list", "number"])
@pytest.mark.parametrize("setting", ["hash_columns", "exclude_columns"])
@pytest.mark.parametrize("patterns", ["personal,*.properties__*,*.end_user__properties__*"])
def test_it_is_nowhere_in_plain(
    serve: Serve, tmp_path: Path, setting: str, patterns: str, other: Any, properties: str
) -> None:
    account = Account()
    account.put("responses", row(1, end_user=other, score=7))
    account.put("responses", row(2, end_user={"properties": other}, score=8))
    account.put("end_users", row(3, last_response=other, properties=other))
    account.put("declines", row(4, end_user=other))
    project = project_for(serve(account), tmp_path / "project", properties=properties, **{setting: patterns}, **HASHING)
    assert project.run().code == 0
    assert project.ask("SELECT id, score FROM wootric.responses ORDER BY id") == [(1, 7), (2, 8)]
    for file in (each for each in tmp_path.rglob("*") if each.is_file()):
        content = file.read_bytes()
        assert CANARY.encode() not in content, file
        assert str(NUMBER).encode() not in content, file
    held = str(project.loaded())
    assert CANARY not in held
    assert str(NUMBER) not in held
