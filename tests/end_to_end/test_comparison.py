"""Wootric's own figures beside what is loaded, as `--verify` compares them, tells it and keeps the verdict."""

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Serve
from tests.overviews import counted, last_day, surveyed
from tests.script import Outcome, Project, project_for
from wootric_pipeline.sandbox import SECOND, Account, Sandbox

# What the tests of this file share is made once, in one process.
pytestmark = pytest.mark.xdist_group("comparison")

MISSING = "Wootric counts responses that are not loaded, or have other scores there."
FIGURES = ("/v1/nps_summary", "/v2/email_stats", "/v1/responses")
DAYS = 420


@pytest.fixture(scope="module")
def account() -> Account:
    return surveyed(DAYS)


def loaded(account: Account, serve: Serve, folder: Path, **behaviour: Any) -> tuple[Project, Sandbox]:
    sandbox = serve(account, **behaviour)
    project = project_for(sandbox, folder / "project")
    assert project.run("--tables", "responses").code == 0
    sandbox.requests.clear()
    return project, sandbox


def told(outcome: Outcome) -> str:
    """What is said of the comparison."""
    return outcome.stdout.splitlines()[-1].removeprefix("Wootric's own figures: ")


def test_equal_figures_are_told_and_kept(account: Account, serve: Serve, tmp_path: Path) -> None:
    project, sandbox = loaded(account, serve, tmp_path)
    outcome = project.run("--verify", "--json")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert len([each for each in sandbox.requests if each.path in FIGURES]) == outcome.report["comparison"]["requests"]
    found = outcome.report["comparison"]
    year = next(each for each in found["windows"] if each["last"] == str(last_day()))
    own = [figures for day, figures in counted(account).items() if str(day) >= year["first"]]
    assert {
        "verdict": found["verdict"], "is_missing": found["is_missing"], "difference": found["difference"],
        "where": found["where"], "reason": found["reason"], "counting": found["counting"], "told": found["told"],
        "time_zone": found["time_zone"], "zone_is_known_by": found["zone_is_known_by"], "requests": found["requests"],
        "year": year["wootric"], "windows": len(found["windows"]),
    } == {
        "verdict": "equal", "is_missing": False, "difference": 0,
        "where": None, "reason": "", "counting": [], "told": "",
        "time_zone": "America/Los_Angeles", "zone_is_known_by": "offsets", "requests": 6,
        "year": {kind: sum(each[kind] for each in own) for kind in ("promoters", "passives", "detractors")},
        "windows": 5,
    }  # fmt: skip
    assert all(each["wootric"] == each["loaded"] for each in found["windows"])
    kept = "SELECT {} FROM wootric.wootric_runs WHERE kind = 'verify' AND table_name = 'responses'"
    ((verdict, detail, requests),) = project.ask(kept.format("verdict, verdict_detail, requests"))
    assert (verdict, json.loads(detail), requests) == ("equal", found, found["requests"])
    assert requests > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "words", "setting"),
    [
        ({"counts_excluded": True}, "responses count that are excluded from calculations", "excluded"),
        ({"days_in_utc": True}, "days are those of UTC", "utc"),
    ],
)
def test_another_way_to_count_is_offered(
    account: Account, serve: Serve, tmp_path: Path, behaviour: dict[str, bool], words: str, setting: str
) -> None:
    project, _ = loaded(account, serve, tmp_path, **behaviour)
    project.set(time_zone="America/Los_Angeles")
    outcome = project.run("--verify")
    assert outcome.code == 0
    offer = f'equal, counted differently. There, {words}: counting = ["{setting}"] says so here. Compared: '
    assert told(outcome).startswith(offer)
    assert told(project.run("--verify", SOURCES__WOOTRIC__COUNTING=setting)).startswith("equal. Compared: 5 ranges")


@pytest.mark.slow
def test_hidden_rows_are_missing_and_named_by_their_day(account: Account, serve: Serve, tmp_path: Path) -> None:
    hidden = next(
        row for row in list(account.rows["responses"].values())[200:] if not row["excluded_from_calculations"]
    )
    project, sandbox = loaded(account, serve, tmp_path, unlisted={"responses": (hidden["id"],)})
    outcome = project.run("--verify")
    assert (outcome.code, outcome.sentence) == (1, MISSING)
    assert told(outcome).startswith("differs by 1. Wootric counts 1 more than are loaded; some of them were given ")
    assert len([each for each in sandbox.requests if each.path in FIGURES]) <= 12
    noted = (
        "SELECT complete, error, verdict FROM wootric.wootric_runs WHERE kind = 'verify' AND table_name = 'responses'"
    )
    assert project.ask(noted) == [(False, MISSING, "differs")]


@pytest.mark.slow
def test_deleted_rows_are_told_and_not_missing(serve: Serve, tmp_path: Path) -> None:
    account = surveyed(60)
    project, _ = loaded(account, serve, tmp_path)
    deleted = next(row for row in account.rows["responses"].values() if row["id"] > 400 and row["id"] % 4)
    account.delete("responses", deleted["id"])
    outcome = project.run("--verify")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert told(outcome).startswith(
        "differs by 1. Wootric counts 1 fewer than are loaded, which were probably deleted there; "
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (
            {"ignores_dates": True},
            "Wootric answers /v1/nps_summary with the same figures whatever days it is asked for.",
        ),
        (
            {"refuses": frozenset(["nps_summary"])},
            "Wootric does not let these credentials read /v1/nps_summary.",
        ),
        (
            {"dates_bare": False, "dates_quoted": False},
            "Wootric answered /v1/nps_summary with status 400.",
        ),
    ],
)
def test_what_cannot_be_compared_is_no_failure(
    account: Account, serve: Serve, tmp_path: Path, behaviour: dict[str, Any], reason: str
) -> None:
    project, _ = loaded(account, serve, tmp_path, **behaviour)
    outcome = project.run("--verify")
    assert (outcome.code, told(outcome)) == (0, f"cannot compare. {reason}")


@pytest.mark.slow
def test_what_is_not_loaded_or_known_cannot_be_compared(account: Account, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(account)
    project = project_for(sandbox, tmp_path / "project")
    assert project.run("--tables", "declines").code == 0
    assert told(project.run("--verify")) == "cannot compare. No run has loaded responses completely."
    assert project.run("--tables", "responses", "--exclude-columns", "responses.completed").code == 0
    assert (
        told(project.run("--verify"))
        == "cannot compare. Not all that is needed is there: responses.completed is not loaded."
    )
    assert project.run("--tables", "responses", "--full-refresh", "--yes").code == 0
    gone = project.run("--verify", SOURCES__WOOTRIC__CLIENT_ID="", SOURCES__WOOTRIC__CLIENT_SECRET="")
    assert (gone.code, told(gone).split(".")[0]) == (0, "cannot compare")
    assert told(project.run("--verify")).startswith("equal. ")


@pytest.mark.slow
def test_a_load_is_verified_where_that_is_set(account: Account, serve: Serve, tmp_path: Path) -> None:
    sandbox = serve(account, unlisted={"responses": (101,)})
    project = project_for(sandbox, tmp_path / "project", tables="responses", verify_after_load="true")
    outcome = project.run("--json")
    assert (outcome.code, outcome.sentence) == (1, MISSING)
    report = outcome.report
    assert (report["ok"], report["tables"]["responses"]["complete"]) == (False, True)
    assert report["verification"]["comparison"]["verdict"] == "differs"
    kinds = "SELECT kind, complete FROM wootric.wootric_runs WHERE table_name = 'responses' ORDER BY started_at"
    assert project.ask(kinds) == [("load", True), ("verify", False)]
    sandbox.behaviour.unlisted = {}
    outcome = project.run("--full-refresh")
    assert outcome.code == 0
    assert told(outcome).startswith("equal. ")


@pytest.mark.slow
def test_lists_that_ignore_updated_are_compared_as_far_as_they_are_read(serve: Serve, tmp_path: Path) -> None:
    account = surveyed(DAYS)
    lists = frozenset(["responses"])
    project, sandbox = loaded(account, serve, tmp_path, ignores_updated=lists, ignores_sort_key=lists)
    assert told(project.run("--verify")).startswith("equal. Compared: 5 ranges")
    old = next(row for row in account.rows["responses"].values() if row["id"] > 2_000 and row["id"] % 4 == 1)
    account.change("responses", old["id"], int(time.time()) * SECOND, score=(old["score"] + 5) % 11)
    assert project.run("--tables", "responses").code == 0
    # It is read again some days later.
    assert project.ask(f"SELECT score FROM wootric.responses WHERE id = {old['id']}") == [(old["score"],)]
    outcome = project.run("--verify")
    assert (outcome.code, told(outcome).partition(".")[0]) == (0, "cannot compare")
    assert "These responses may have changed since they were last read" in told(outcome)
    assert len([each for each in sandbox.requests if each.path in FIGURES[:2]]) < 30
    # Where it can be sorted by changes, they are seen.
    sandbox.behaviour.ignores_sort_key = frozenset()
    assert told(project.run("--verify")).startswith("equal. Compared: 5 ranges")


def test_a_start_date_is_where_the_days_begin(account: Account, serve: Serve, tmp_path: Path) -> None:
    start = last_day() - timedelta(days=100)
    sandbox = serve(account)
    project = project_for(sandbox, tmp_path / "project", tables="responses", start_date=start, keep_runs="false")
    assert project.run().code == 0
    found = project.run("--verify", "--json").report["comparison"]
    firsts = [each["first"] for each in found["windows"]]
    assert (found["verdict"], min(firsts)) == ("equal", str(start + timedelta(days=1)))
    # Where no run is noted, what was updated before the newest row is in.
    assert found["windows"][-1]["last"] in (str(last_day()), str(last_day() - timedelta(days=1)))


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        (
            {"time_zone": "Mars/Olympus"},
            "time_zone must be a name such as America/Los_Angeles; there is no zone Mars/Olympus.",
        ),
        (
            {"counting": "backwards"},
            "counting knows no backwards; choose from excluded, completed, undecided_surveys, all_surveys, latest, "
            "last_day_out, utc.",
        ),
        (
            {"surveys": '{"11": "enps"}'},
            'surveys must say nps, csat or ces of the survey 11, such as {11 = "nps", 12 = "csat"}, or '
            '{"11": "nps", "12": "csat"} in the environment.',
        ),
    ],
)
def test_mistakes(serve: Serve, tmp_path: Path, setting: dict[str, str], sentence: str) -> None:
    outcome = project_for(serve(Account()), tmp_path / "project", **setting).run("--verify")
    assert (outcome.code, outcome.sentence) == (2, sentence)


@pytest.mark.slow
def test_surveys_of_a_file_are_read(account: Account, serve: Serve, tmp_path: Path) -> None:
    project, _ = loaded(account, serve, tmp_path)
    project.write(".dlt/config.toml", '[sources.wootric]\nsurveys = {11 = "nps", 12 = "CSAT"}\n')
    assert told(project.run("--verify")).startswith("equal. ")
    project.write(".dlt/config.toml", '[sources.wootric.surveys]\n11 = "nps"\n12 = "enps"\n')
    assert project.run("--verify").sentence.startswith("surveys must say nps, csat or ces of the survey 12, ")
