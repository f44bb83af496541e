"""Which metric a survey is: what the setting says, and what its scores tell without it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_pipeline.errors import ConfigurationError
from wootric_pipeline.insight.surveys import SurveyMetric, given_metrics, metrics

EXAMPLE = '{11 = "nps", 12 = "csat"}, or {"11": "nps", "12": "csat"} in the environment'
UNDECIDED = SurveyMetric(None, None, "undecided")
NPS = SurveyMetric("nps", 10, "zero")
CES = SurveyMetric("ces", 7, "range")


@pytest.mark.parametrize(
    ("lowest", "highest", "count", "found"),
    [
        (0, 10, 500, NPS),
        (0, 3, 2, NPS),
        (1, 10, 500, UNDECIDED),
        (1, 8, 500, UNDECIDED),
        (1, 7, 500, CES),
        (2, 6, 10, CES),
        (2, 6, 9, UNDECIDED),
        (1, 5, 500, UNDECIDED),
        (0, 11, 500, UNDECIDED),
        (-1, 7, 500, UNDECIDED),
        (None, None, 0, UNDECIDED),
    ],
)
def test_what_scores_tell(lowest: int | None, highest: int | None, count: int, found: SurveyMetric) -> None:
    assert metrics([(11, lowest, highest, count), (None, 0, 9, 3)]) == {11: found, None: NPS}


@pytest.mark.parametrize(
    ("lowest", "highest", "metric", "found"),
    [
        (0, 10, "nps", SurveyMetric("nps", 10, "setting")),
        (1, 5, "csat", SurveyMetric("csat", 5, "setting")),
        (1, 6, "csat", SurveyMetric("csat", 10, "setting")),
        (0, 6, "csat", SurveyMetric("csat", 10, "setting", fits=False)),
        (1, 7, "ces", SurveyMetric("ces", 7, "setting")),
        (1, 8, "ces", SurveyMetric("ces", 7, "setting", fits=False)),
        (None, None, "csat", SurveyMetric("csat", 5, "setting")),
    ],
)
def test_the_setting_goes_first(lowest: int | None, highest: int | None, metric: Any, found: SurveyMetric) -> None:
    assert metrics([(11, lowest, highest, 50), (12, 0, 9, 3)], {11: metric}) == {11: found, 12: NPS}


@given(st.lists(st.integers(1, 10), min_size=1))
def test_no_survey_without_a_0_is_taken_for_nps(scores: list[int]) -> None:
    found = metrics([(1, min(scores), max(scores), len(scores))])
    assert found[1].metric in (None, "ces")


@pytest.mark.parametrize(
    "value",
    [
        {"11": "nps", "12": "CSAT"},
        {11: "nps", 12: " csat "},
        '{"11": "nps", "12": "csat"}',
    ],
)
def test_forms_of_the_setting(value: Any) -> None:
    assert given_metrics(value) == {11: "nps", 12: "csat"}


def test_no_setting_is_no_survey() -> None:
    assert given_metrics(None) == given_metrics("{}") == {}


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("nps", f"surveys must say of each survey_id what it is, such as {EXAMPLE}."),
        ('["nps"]', f"surveys must say of each survey_id what it is, such as {EXAMPLE}."),
        ({"eleven": "nps"}, f"surveys must say of each survey_id what it is, such as {EXAMPLE}."),
        ({"11": "enps"}, f"surveys must say nps, csat or ces of the survey 11, such as {EXAMPLE}."),
        ({"11": 5}, f"surveys must say nps, csat or ces of the survey 11, such as {EXAMPLE}."),
    ],
)
def test_mistakes(value: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        given_metrics(value)
    assert str(raised.value) == sentence
