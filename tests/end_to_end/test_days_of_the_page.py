"""Which days the report page shows and compares: those that are loaded as a whole, and what it says of others."""

from pathlib import Path

import pytest

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


@pytest.mark.slow
def test_a_day_that_ended_before_the_newest_change_is_shown(serve: Serve, tmp_path: Path) -> None:
    account = daily(3)
    account.change("responses", 0, (NOON + DAY) * 10**6)
    project = project_of(serve, tmp_path, account)
    by_dlt(project)
    outcome = project.run("--report", PAGE, "--json")
    assert (outcome.report["report"]["until"], outcome.report["report"]["responses"]) == ("2023-11-15", 3)


@pytest.mark.slow
def test_nothing_that_plain_dlt_has_loaded_is_shown_as_nothing(serve: Serve, tmp_path: Path) -> None:
    project = project_of(serve, tmp_path, Account("UTC"), start_date="2023-05-01")
    by_dlt(project)
    page = page_of(project)
    assert "There is none at all yet." in page.sections["The score"]
    assert "Loaded up to not known, since no complete run is noted" in page.text


def changed_later(days: int) -> Account:
    """As `daily` with two answers a day; every fourth was updated on the last day: no start date leaves it out."""
    account = daily(days, 9, 0)
    for number in range(0, 2 * days, 4):
        account.change("responses", number, NOON * 10**6)
    account.put("declines", row(1, NOON - DAY, survey_id=5))
    return account


@pytest.mark.slow
def test_days_before_a_start_date_are_not_compared(serve: Serve, tmp_path: Path) -> None:
    project = project_of(serve, tmp_path, changed_later(300), start_date="2023-06-15T12:00:00")
    by_dlt(project)
    assert project.ask("SELECT count(*) > 2 * 152 FROM wootric.responses") == [(True,)]
    page = page_of(project)
    assert page.sections["NPS, 16 Aug 2023 to 13 Nov 2023"].startswith(
        "All NPS surveys, 90 days. Days UTC, by the setting time_zone Loaded from 16 Jun 2023; earlier answers are not "
        "all there Loaded up to "
    )
    assert page.sections["The score"].strip() == (
        "NPS 0 95% interval −15 to +15 Not compared Not all answers of the 90 days before are loaded; they are from 16 "
        "Jun 2023 on. Responses 180 Answered 99% Of those who answered or declined. Detractors 90 50% of the "
        "responses, 0 with a comment"
    )
    assert "By month, whatever days are shown above, from the first month that is all loaded." in page.text
    months = [(each[0], each[3]) for each in page.rows("How it went")]
    assert months == [("Nov 2023not over", "28"), ("Oct 2023", "62"), ("Sep 2023", "60"), ("Aug 2023", "62"),
                      ("Jul 2023", "62")]  # fmt: skip
    assert "Not compared. Not all answers of the 90 days before are loaded; they are from 16 Jun 2023 on." in page.text
    assert "Compared with" not in page.text
    outcome = project.run("--report", PAGE)
    assert outcome.stdout.splitlines()[0] == (
        "NPS 0, 95% interval -15 to +15, of 180 responses, 16 Aug 2023 to 13 Nov 2023. Not compared. Not all answers "
        "of the 90 days before are loaded; they are from 16 Jun 2023 on."
    )


@pytest.mark.slow
def test_what_is_loaded_as_a_whole_is_compared_whatever_the_start_date(serve: Serve, tmp_path: Path) -> None:
    project = project_of(serve, tmp_path, changed_later(200), start_date="2023-06-16")
    assert project.run().code == 0
    window = ("--since", "2023-08-01", "--until", "2023-09-16")
    assert "Responses 92 92 in the 46 days before " in page_of(project, *window).sections["The score"]
    assert "Not compared " in page_of(project, *window[2:], "--since", "2023-07-31").sections["The score"]
    # Before the start date there was nothing.
    project = project_of(serve, tmp_path / "other", changed_later(95), start_date="2015-01-01")
    by_dlt(project)
    page = page_of(project)
    assert "Responses 180 8 in the 90 days before " in page.sections["The score"]
    assert "Loaded from 1 Jan 2015; earlier answers are not all there" in page.text
    assert "By month, whatever days are shown above. Band" in page.text


@pytest.mark.slow
def test_days_before_a_start_date_are_called_a_part(serve: Serve, tmp_path: Path) -> None:
    project = project_of(serve, tmp_path, changed_later(200), start_date="2023-10-01")
    assert project.run().code == 0
    outcome = project.run("--report", PAGE, "--since", "2023-09-30", "--until", "2023-11-01")
    gap = "Not all answers of these days are loaded; they are from 1 Oct 2023 on."
    assert outcome.stdout.splitlines()[0].endswith(f" {gap}")
    page = Page((project.folder / PAGE).read_text("utf-8"))
    assert page.sections["NPS, 30 Sep 2023 to 31 Oct 2023"].startswith(
        f"All NPS surveys, 32 days. {gap} The figures below are of a part of them. Days UTC"
    )
    assert "Not compared " in page.sections["The score"]
    report = project.run("--report", PAGE, "--since", "2023-10-01", "--json").report["report"]
    assert (report["since"], report["loaded_from"]) == ("2023-10-01", "2023-10-01")
    assert gap not in (project.folder / PAGE).read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "title", "trend"),
    [
        ("2023-10-20", "NPS, 20 Oct 2023 to 13 Nov 2023", ["Nov 2023not over"]),
        ("2023-11-05", "NPS, 5 Nov 2023 to 13 Nov 2023", []),
        # No day has ended since.
        ("2023-11-14", "NPS, 16 Aug 2023 to 13 Nov 2023", []),
    ],
)
def test_the_days_begin_with_the_first_that_is_loaded(
    serve: Serve, tmp_path: Path, start: str, title: str, trend: list[str]
) -> None:
    project = project_of(serve, tmp_path, changed_later(100), start_date=start)
    by_dlt(project)
    page = page_of(project)
    assert title in page.sections
    assert [each[0] for each in (page.rows("How it went") if trend else ())] == trend
    assert trend or page.sections["How it went"].strip() == "No month is loaded as a whole yet."


@pytest.mark.slow
def test_answers_before_the_first_day_that_is_loaded_move_nobody(serve: Serve, tmp_path: Path) -> None:
    account = daily(0)
    # Each of three people has answered twice; the first two before the start date.
    for person, age in ((1, 100), (2, 99), (3, 60)):
        account.put("responses", row(person, NOON, created=NOON - age * DAY, survey_id=5, score=0, end_user_id=person))
        account.put("responses", row(person + 3, NOON - 20 * DAY, survey_id=5, score=10, end_user_id=person))
    project = project_of(serve, tmp_path, account, start_date="2023-08-07")
    assert project.run().code == 0
    page = page_of(project, "--since", "2023-10-01")
    assert page.sections["Who moved"].strip() == (
        "Of 2 people who had answered before, from 7 Aug 2023 on, 2 moved up, 0 down, and 0 stayed."
    )


@pytest.mark.slow
def test_a_quarter_begins_the_trend_of_a_long_window(serve: Serve, tmp_path: Path) -> None:
    project = project_of(serve, tmp_path, changed_later(1_000), start_date="2021-02-01")
    assert project.run().code == 0
    page = page_of(project, "--since", "2021-02-01")
    assert "By quarter, whatever days are shown above, from the first quarter that is all loaded." in page.text
    assert list(page.rows("How it went"))[-1][0] == "Q2 2021"


@pytest.mark.slow
def test_few_answers_are_told_in_words(serve: Serve, tmp_path: Path) -> None:
    project = project_of(serve, tmp_path, daily(30))
    assert project.run().code == 0
    told = {
        since: project.run("--report", PAGE, "--since", since, "--until", "2023-11-15").stdout.partition(" 2023 to ")[0]
        for since in ("2023-11-14", "2023-11-06", "2023-11-05", "2023-10-17", "2023-10-16")
    }
    assert list(told.values()) == [
        "Too few answers for an NPS, of 1 response, 14 Nov 2023. Cannot tell whether it moved. The 1 day before "
        "has only 1 response.\nThe report is report.html.\n",
        "Too few answers for an NPS, of 9 responses, 6 Nov",
        "Too few answers for an NPS, 95% interval +47 to +100, of 10 responses, 5 Nov",
        "Too few answers for an NPS, 95% interval +78 to +100, of 29 responses, 17 Oct",
        "NPS +100, 95% interval +78 to +100, of 30 responses, 16 Oct",
    ]
