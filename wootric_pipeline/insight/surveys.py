"""Which metric the scores of a survey are: NPS, CSAT or CES; the API does not say.

From the vendor's documentation: NPS is asked from 0 to 10, CSAT from 1 to 5 or from 1 to 10, CES from 1 to 7. So a 0
is NPS for certain, and without one what the highest score leaves open stays open.
"""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any, Literal, NamedTuple, get_args

from ..errors import ConfigurationError

Metric = Literal["nps", "csat", "ces"]
KnownBy = Literal["setting", "zero", "range", "undecided"]
"""The setting `surveys`; a 0 that was given, which is certain; the highest score, which makes it likely; nothing."""

METRICS: tuple[Metric, ...] = get_args(Metric)
CSAT_SHORT_MAX, CES_LOW, CES_MAX, SCORE_MAX = 5, 6, 7, 10
RESPONSES_MIN = 10
"""Of fewer, the highest score says nothing: an NPS survey may just have no better one yet."""
EXAMPLE = '{11 = "nps", 12 = "csat"}, or {"11": "nps", "12": "csat"} in the environment'


class SurveyScores(NamedTuple):
    """The scores that a survey has been given.

    Attributes:
        survey_id: Which; None of responses that name none.
        lowest, highest: Of them; None where there are none.
        responses: How many have one.
    """

    survey_id: int | None
    lowest: int | None
    highest: int | None
    responses: int


class SurveyMetric(NamedTuple):
    """What the scores of a survey are.

    Attributes:
        metric: None where that is undecided: such a survey belongs to no figure.
        score_max: The best score that can be given: 10, 7 or 5; None where the metric is undecided.
        known_by: See `KnownBy`.
        fits: Whether all scores are in the metric's range; a setting may be wrong.
    """

    metric: Metric | None
    score_max: int | None
    known_by: KnownBy
    fits: bool = True


UNDECIDED = SurveyMetric(None, None, "undecided")


def metrics(
    scores: Iterable[tuple[int | None, int | None, int | None, int]], given: Mapping[int, Metric] | None = None
) -> dict[int | None, SurveyMetric]:
    """The metric of each survey.

    >>> metrics([(11, 0, 10, 500), (12, 1, 7, 80), (13, 1, 10, 90)], {13: "csat"})
    {11: SurveyMetric(metric='nps', score_max=10, known_by='zero', fits=True),
     12: SurveyMetric(metric='ces', score_max=7, known_by='range', fits=True),
     13: SurveyMetric(metric='csat', score_max=10, known_by='setting', fits=True)}

    Args:
        scores: The values of `SurveyScores`, of each survey once.
        given: The setting `surveys`, as `given_metrics` reads it; it goes before all that scores tell.
    """
    named, found = given or {}, {}
    for values in scores:
        each = SurveyScores(*values)
        metric = None if each.survey_id is None else named.get(each.survey_id)
        found[each.survey_id] = _given(each, metric) if metric else _inferred(each)
    return found


def _given(scores: SurveyScores, metric: Metric) -> SurveyMetric:
    highest, lowest = scores.highest or 0, scores.lowest
    score_max = {"nps": SCORE_MAX, "ces": CES_MAX, "csat": CSAT_SHORT_MAX if highest <= CSAT_SHORT_MAX else SCORE_MAX}
    fits = highest <= score_max[metric] and (lowest is None or lowest >= (0 if metric == "nps" else 1))
    return SurveyMetric(metric, score_max[metric], "setting", fits)


def _inferred(scores: SurveyScores) -> SurveyMetric:
    lowest, highest = scores.lowest, scores.highest
    if lowest is None or highest is None or lowest < 0 or highest > SCORE_MAX:
        return UNDECIDED
    if lowest == 0:
        return SurveyMetric("nps", SCORE_MAX, "zero")
    if CES_LOW <= highest <= CES_MAX and scores.responses >= RESPONSES_MIN:
        return SurveyMetric("ces", CES_MAX, "range")
    return UNDECIDED


def given_metrics(value: Any) -> dict[int, Metric]:
    """The setting `surveys`: a table of TOML, or in the environment a text of JSON.

    Args:
        value: As dlt's configuration has it; None is no survey.

    Raises:
        ConfigurationError: It is none, a survey is no number, or its metric is none.
    """
    table = value
    if isinstance(value, str):
        with suppress(ValueError):
            table = json.loads(value)
    if table is None:
        return {}
    if not isinstance(table, Mapping) or not all(str(name).strip().isdecimal() for name in table):
        raise ConfigurationError(f"surveys must say of each survey_id what it is, such as {EXAMPLE}.")
    given: dict[int, Metric] = {}
    for name, metric in table.items():
        word = metric.strip().lower() if isinstance(metric, str) else ""
        if word not in METRICS:
            raise ConfigurationError(f"surveys must say nps, csat or ces of the survey {int(name)}, such as {EXAMPLE}.")
        given[int(name)] = word
    return given
