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
@pytest.mark.parametrize(
    "others",
    first(
        pytest.param(OTHERS, id="all"),
        *(
            pytest.param([other], id=name)
            for name, other in zip(("text", "list", "mixed", "number"), OTHERS, strict=True)
        ),
    ),
)
@pytest.mark.parametrize("setting", ["hash_columns", "exclude_columns"])
@pytest.mark.parametrize("patterns", ["personal,*.properties__*,*.end_user__properties__*"])
def test_it_is_nowhere_in_plain(
    serve: Serve, tmp_path: Path, setting: str, patterns: str, others: list[Any], properties: str
) -> None:
    account = Account()
    for index, other in enumerate(others):
        account.put("responses", row(10 * index + 1, end_user=other, score=7))
        account.put("responses", row(10 * index + 2, end_user={"properties": other}, score=8))
        account.put("end_users", row(10 * index + 3, last_response=other, properties=other))
        account.put("declines", row(10 * index + 4, end_user=other))
    project = project_for(serve(account), tmp_path / "project", properties=properties, **{setting: patterns}, **HASHING)
    assert project.run().code == 0
    assert project.ask("SELECT id, score FROM wootric.responses ORDER BY id") == [
        (10 * index + row_id, score) for index in range(len(others)) for row_id, score in ((1, 7), (2, 8))
    ]
    for file in (each for each in tmp_path.rglob("*") if each.is_file()):
        content = file.read_bytes()
        assert CANARY.encode() not in content, file
        assert str(NUMBER).encode() not in content, file
    held = str(project.loaded())
    assert CANARY not in held
    assert str(NUMBER) not in held
