"""The sandbox's overviews answer as the API's documentation has them, and as its switches say."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Serve, row
from tests.end_to_end.test_sandbox import ask
from tests.overviews import DAY
from wootric_pipeline.sandbox import SECOND, Account, Sandbox
from wootric_pipeline.sandbox.__main__ import main
from wootric_pipeline.tables import OVERVIEWS

ZONE = "America/Los_Angeles"
PATH = "/v1/nps_summary"


def second(day: str, hour: float) -> int:
    """A moment of the account's day, UNIX seconds."""
    return int(
        (datetime.fromisoformat(f"{day}T00:00:00").replace(tzinfo=Account(ZONE).time_zone)).timestamp() + hour * 3_600
    )


@pytest.fixture
def account() -> Account:
    account = Account(ZONE)
    answers = [
        (second("2024-01-02", 23.5), 10, {}),
        (second("2024-01-02", 1), 8, {"completed": False}),
        (second("2024-01-03", 0), 3, {}),
        (second("2024-01-04", 12), 9, {"excluded_from_calculations": True}),
    ]
    for row_id, (at, score, fields) in enumerate(answers):
        account.put("responses", row(row_id, at, **{"score": score, "completed": True, **fields}))
    account.put("declines", row(1, second("2024-01-02", 5)))
    return account


def counts(sandbox: Sandbox, start: str, end: str) -> list[int]:
    content = ask(sandbox, PATH, **{"date[start]": start, "date[end]": end}).json()
    return [content[name] for name in ("promoters", "passives", "detractors")]


@pytest.mark.parametrize(
    ("behaviour", "second_and_third", "third_and_fourth"),
    [
        ({}, [1, 1, 1], [0, 0, 1]),
        ({"counts_excluded": True}, [1, 1, 1], [1, 0, 1]),
        ({"counts_incomplete": False}, [1, 0, 1], [0, 0, 1]),
        ({"counts_last_day": False}, [1, 1, 0], [0, 0, 1]),
        ({"days_in_utc": True}, [1, 1, 1], [1, 0, 1]),
    ],
)
def test_days_are_counted_by_the_rule_that_is_chosen(
    account: Account, serve: Serve, behaviour: dict[str, Any], second_and_third: list[int], third_and_fourth: list[int]
) -> None:
    sandbox = serve(account, **behaviour)
    assert counts(sandbox, "2024-01-02", "2024-01-03") == second_and_third
    assert counts(sandbox, "'2024-01-03'", '"2024-01-04"') == third_and_fourth


def test_figures_are_whole_numbers(serve: Serve) -> None:
    account = Account(ZONE)
    scores = [10] * 46 + [7] * 24 + [0] * 5
    account.fill("responses", [row(index, second("2024-01-02", 1), score=score) for index, score in enumerate(scores)])
    account.put("declines", row(1, second("2024-01-02", 5)))
    assert ask(serve(account), PATH, **{"date[start]": "2024-01-01", "date[end]": "2024-01-31"}).json() == {
        "nps": 55,
        "responses": 75,
        "detractors": 5,
        "passives": 24,
        "promoters": 46,
        "response_rate": 99,
        "email_response_rate": 0,
    }


@pytest.mark.parametrize("ignores", [True, False])
def test_without_days_the_last_month_is_meant(serve: Serve, ignores: bool) -> None:
    account = Account(ZONE)
    now = datetime.now()
    for days in (0, 29, 40):
        account.put("responses", row(days, int((now - timedelta(days=days)).timestamp()) - 1, score=10))
    sandbox = serve(account, ignores_dates=ignores)
    default = ask(sandbox, PATH).json()
    assert default["responses"] == 2
    future = str((now + 100 * DAY).date())
    answer = ask(sandbox, PATH, **{"date[start]": future, "date[end]": future}).json()
    assert (answer == default, answer["responses"]) == (ignores, 2 if ignores else 0)


@pytest.mark.parametrize(
    ("behaviour", "day", "status"),
    [
        ({"dates_bare": False}, "2024-01-02", 400),
        ({"dates_bare": False}, "'2024-01-02'", 200),
        ({"dates_quoted": False}, "'2024-01-02'", 400),
        ({"dates_quoted": False}, "2024-01-02", 200),
        ({}, "yesterday", 400),
        ({"refuses": frozenset({"nps_summary"})}, "2024-01-02", 403),
    ],
)
def test_days_are_taken_in_the_form_that_is_chosen(
    account: Account, serve: Serve, behaviour: dict[str, Any], day: str, status: int
) -> None:
    assert ask(serve(account, **behaviour), PATH, **{"date[start]": day, "date[end]": day}).status_code == status


@pytest.mark.parametrize("name", OVERVIEWS)
def test_each_overview_can_be_refused_alone(account: Account, serve: Serve, name: str) -> None:
    sandbox = serve(account, refuses=frozenset({name}))
    assert {other: ask(sandbox, each.path).status_code for other, each in OVERVIEWS.items()} == {
        other: 403 if other == name else 200 for other in OVERVIEWS
    }


def test_email_stats_tell_their_range_with_the_offset_of_the_zone(account: Account, serve: Serve) -> None:
    days = {"date_range[start_date]": "2024-01-02", "date_range[end_date]": "2024-07-01"}
    content = ask(serve(account), "/v2/email_stats", **days).json()
    raw = content["email_stats"]["raw_results"]
    assert (raw["sart_date"], raw["end_date"]) == ("2024-01-02T00:00:00-08:00", "2024-07-01T23:59:59-07:00")
    assert (content["initial_send"], raw["total_responses"], raw["processed"]) == (None, 4, 16)


def test_segments_and_templates_are_those_of_the_account(account: Account, serve: Serve) -> None:
    account.segments = [{"name": "plan", "data_type": "string", "created_at": second("2024-01-02", 1) * SECOND}]
    account.survey_templates = [{"id": 7, "name": "NPS"}, {"id": 8, "name": "CSAT"}]
    sandbox = serve(account)
    assert ask(sandbox, "/v1/segments").json() == [
        {"name": "plan", "data_type": "string", "created_at": "2024-01-02 01:00:00 -0800"}
    ]
    assert ask(sandbox, "/v1/survey_templates").json() == {
        "default_survey_template_id": 7,
        "survey_templates": account.survey_templates,
    }


def test_an_overview_to_refuse_has_to_be_known(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--refuse=segment"])
    sentence = f"there is no table 'segment', only {', '.join(OVERVIEWS)}; see --help."
    assert capsys.readouterr() == ("", f"Argument --refuse: {sentence}\n")
