"""The project of dbt's: it is what the models say, and its days are those of Python. `make test-dbt` runs it."""

import re
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from tests.conftest import PROJECT
from wootric_pipeline.insight.build import UNHEEDED
from wootric_pipeline.insight.counting import WORDS
from wootric_pipeline.insight.dates import account_days
from wootric_pipeline.insight.dbt.__main__ import main
from wootric_pipeline.insight.dbt.described import ACCEPTED
from wootric_pipeline.insight.dbt.project import MADE
from wootric_pipeline.insight.dbt.queries import midnights
from wootric_pipeline.insight.model import models
from wootric_pipeline.insight.surveys import CES_LOW, CES_MAX, CSAT_SHORT_MAX, METRICS, RESPONSES_MIN, SCORE_MAX

OF_DBT = ("target", "logs")
"""Folders that dbt makes."""
EARLY, LATE = datetime(1970, 1, 5, tzinfo=timezone.utc), datetime(2099, 12, 25, tzinfo=timezone.utc)
ZONES = ("America/Los_Angeles", "Australia/Lord_Howe", "Pacific/Apia", "America/Havana", "America/St_Johns",
         "Africa/Monrovia")  # fmt: skip
SPANS = (
    (datetime(2011, 12, 30, 9, 59, tzinfo=timezone.utc), datetime(2012, 1, 1, 5, tzinfo=timezone.utc)),
    (datetime(2024, 1, 1, 3, tzinfo=timezone.utc), datetime(2024, 1, 1, 3, tzinfo=timezone.utc)),
    (datetime(1823, 1, 1, tzinfo=timezone.utc), datetime(2286, 1, 1, tzinfo=timezone.utc)),
    (datetime(1823, 1, 1, tzinfo=timezone.utc), datetime(1824, 1, 1, tzinfo=timezone.utc)),
)


def texts(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    named = {path.relative_to(folder).as_posix(): path for path in paths}
    return {name: path.read_text() for name, path in named.items() if name.partition("/")[0] not in OF_DBT}


def test_the_project_in_the_repository_is_what_the_models_say(tmp_path: Path) -> None:
    assert main([str(tmp_path)]) == 0
    assert texts(PROJECT / "dbt") == texts(tmp_path)
    assert {f"models/{name}.sql" for name in models()} <= set(texts(tmp_path))


def test_what_is_no_part_any_more_goes_and_what_is_of_others_stays(tmp_path: Path) -> None:
    main([str(tmp_path)])
    made = texts(tmp_path)
    (tmp_path / "models/fct_old.sql").write_text(f"{{# {MADE} #}}\nSELECT 1")
    (tmp_path / "models/own.sql").write_text("SELECT 1")
    (tmp_path / "models/folder.sql").mkdir()
    (tmp_path / "models/dim_dates.sql").write_text("SELECT 1")
    assert main([str(tmp_path)]) == 0
    assert texts(tmp_path) == {**made, "models/own.sql": "SELECT 1"}


def test_a_zone_that_is_none_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--time-zone", "Mars/Olympus"]) == 2
    told = "time_zone must be a name such as America/Los_Angeles; there is no zone Mars/Olympus.\n"
    assert capsys.readouterr() == ("", told)
    assert list(tmp_path.iterdir()) == []


def test_what_is_said_in_sql_again_is_what_python_says() -> None:
    scales = (PROJECT / "dbt/models/staging/stg_wootric__survey_metrics.sql").read_text()
    assert f"WHEN lowest < 0 OR highest > {SCORE_MAX} THEN NULL" in scales
    assert f"WHEN highest BETWEEN {CES_LOW} AND {CES_MAX} AND responses >= {RESPONSES_MIN} THEN 'ces'" in scales
    assert f"WHEN metric = 'csat' AND highest > {CSAT_SHORT_MAX} THEN {SCORE_MAX}" in scales
    variables = (PROJECT / "dbt/macros/variables.sql").read_text()
    assert f"known = {[word for word in WORDS if word not in UNHEEDED]}" in variables
    assert f"word not in {list(METRICS)}" in variables


def test_the_readme_names_what_is_read() -> None:
    readme = (PROJECT / "dbt/README.md").read_text()
    read = "\n".join(texts(PROJECT / "dbt").values())
    assert set(re.findall(r"[A-Z]+_?[A-Z_]*(?==|`)", readme)) - {"FOLDER", "TIME_ZONE"} == set(
        re.findall(r"env_var\('(\w+)'", read)
    )
    assert re.findall(r"^\| `(\w+)`", readme, re.MULTILINE) == ["wootric_schema", "surveys", "counting"]
    assert set(re.findall(r"\bvar\('(\w+)'", read)) == {"wootric_schema", "surveys", "counting"}


def test_values_that_are_accepted_are_of_columns_that_there_are() -> None:
    assert set(ACCEPTED) <= {column for model in models().values() for column in model.columns}


def days_of(folder: Path, first: datetime, last: datetime, reader: str) -> Iterator[tuple[object, ...]]:
    """What the query of the days gives, with what it refers to put in."""
    query, beginnings = (
        (folder / name).read_text() for name in ("models/dim_dates.sql", "models/staging/stg_wootric__midnights.sql")
    )
    asked = "(SELECT CAST('{}' AS TIMESTAMPTZ) AS created_at)"
    put_in = {
        "stg_wootric__midnights": f"({beginnings.partition('{% else %}')[2].partition('{% endif %}')[0]})",
        "stg_wootric__responses": asked.format(first.isoformat()),
        "stg_wootric__declines": asked.format(last.isoformat()),
    }
    query = re.sub(r"\{\{ ref\('(\w+)'\) \}\}", lambda found: put_in[found[1]], re.sub(r"\{#.*#\}", "", query))
    with closing(duckdb.connect()) as connection:
        connection.execute(f"SET TimeZone = '{reader}'")
        yield from connection.execute(f"{query} ORDER BY 1").fetchall()


@pytest.mark.slow
@pytest.mark.parametrize("zone", ZONES)
def test_days_are_those_of_python(zone: str, tmp_path: Path) -> None:
    main([str(tmp_path), "--time-zone", zone])
    for (first, last), reader in zip(SPANS, ("UTC", zone, "Asia/Tokyo", zone), strict=True):
        wanted = account_days(ZoneInfo(zone), min(max(first, EARLY), LATE), max(min(last, LATE), EARLY))
        assert list(days_of(tmp_path, first, last, reader)) == [tuple(day) for day in wanted]


def test_midnights_are_told_where_they_change() -> None:
    found = midnights("America/Los_Angeles")
    assert next(iter(found)) == date(1969, 12, 29)
    assert {day: seconds for day, seconds in found.items() if day.year == 2024} == {
        date(2024, 3, 11): 7 * 3_600,
        date(2024, 11, 4): 8 * 3_600,
    }
    assert midnights("UTC") == {date(1969, 12, 29): 0}
    (day,) = (day for day, seconds in midnights("Pacific/Apia").items() if seconds == -14 * 3_600 and day.year == 2011)
    assert day - timedelta(days=1) == date(2011, 12, 30)
