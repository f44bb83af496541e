"""Which days the report page shows and compares: those that are loaded as a whole, and what it says of others."""

from pathlib import Path

from tests.conftest import NOON, Serve, row
from tests.pages import Page
from tests.script import Project, project_for
from wootric_pipeline.sandbox import Account

PAGE = "report.html"
DAY = 86_400
BY_DLT = """
import dlt
from wootric_pipeline import wootric_source

dlt.pipeline("wootric_pipeline", destination="duckdb", dataset_name="wootric").run(wootric_source())
"""


def daily(days: int, *scores: int) -> Account:
    """An account with answers on each of the last days, one for each score, of surveys that are NPS."""
    account, scores = Account("UTC"), scores or (9,)
    answers = [(age, score) for age in range(days) for score in scores]
    for number, (age, score) in enumerate(answers):
        account.put("responses", row(number, NOON - age * DAY, survey_id=5, score=score, completed=True))
    return account


def project_of(serve: Serve, folder: Path, account: Account, **settings: object) -> Project:
    return project_for(serve(account), folder / "project", surveys='{"5": "nps"}', time_zone="UTC", **settings)


def by_dlt(project: Project) -> None:
    """Loads without the command, which notes no run."""
    outcome = project.python("-c", BY_DLT)
    assert outcome.code == 0, outcome.stderr


def page_of(project: Project, *words: str) -> Page:
    outcome = project.run("--report", PAGE, *words)
    assert (outcome.code, outcome.stderr) == (0, "")
    return Page((project.folder / PAGE).read_text("utf-8"))


def test_a_running_day_is_not_shown_where_plain_dlt_has_loaded(serve: Serve, tmp_path: Path) -> None:
    project = project_of(serve, tmp_path, daily(100))
    by_dlt(project)
    page = page_of(project)
    assert page.sections["NPS, 16 Aug 2023 to 13 Nov 2023"].strip() == (
        "All NPS surveys, 90 days. Days UTC, by the setting time_zone "
        "Loaded up to 14 Nov 2023, 22:13 (UTC), the newest change: no complete run is noted "
        "Wootric’s own figures not compared yet: --verify does that"
    )
    assert "Responses 90 " in page.sections["The score"]
    # The running month is told from others.
    assert next(page.rows("How it went"))[0] == "Nov 2023not over"


def test_a_day_that_ended_before_the_newest_change_is_shown(serve: Serve, tmp_path: Path) -> None:
    account = daily(3)
    account.change("responses", 0, (NOON + DAY) * 10**6)
    project = project_of(serve, tmp_path, account)
    by_dlt(project)
    outcome = project.run("--report", PAGE, "--json")
    assert (outcome.report["report"]["until"], outcome.report["report"]["responses"]) == ("2023-11-15", 3)


def test_nothing_that_plain_dlt_has_loaded_is_shown_as_nothing(serve: Serve, tmp_path: Path) -> None:
    project = project_of(serve, tmp_path, Account("UTC"), start_date="2023-05-01")
    by_dlt(project)
    page = page_of(project)
    assert "There is none at all yet." in page.sections["The score"]
    assert "Loaded up to not known, since no complete run is noted" in page.text
