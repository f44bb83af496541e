"""By which rule responses are counted, as the setting says it and as it is told."""

import pytest

from wootric_pipeline.errors import ConfigurationError
from wootric_pipeline.insight.counting import WORDS, Rule, different, given_rule, rules
from wootric_pipeline.insight.statistics import Counts
from wootric_pipeline.insight.zones import UTC


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        (None, Rule()),
        ([], Rule()),
        ("excluded, completed", Rule(excluded=True, completed=True)),
        ('["all_surveys", "utc"]', Rule(surveys="all", zone=UTC)),
        (["latest", "last_day_out", "undecided_surveys"], Rule(latest=True, last_day_out=True, surveys="undecided")),
    ],
)
def test_the_setting(value: str | list[str] | None, rule: Rule) -> None:
    assert given_rule(value) == rule
    assert given_rule(rule.setting) == rule


def test_a_word_that_is_none() -> None:
    with pytest.raises(ConfigurationError) as raised:
        given_rule(["excluded", "backwards"])
    assert str(raised.value) == (
        "counting knows no backwards; choose from excluded, completed, undecided_surveys, all_surveys, latest, "
        "last_day_out, utc."
    )


def test_a_rule_is_told_by_what_is_other_than_expected() -> None:
    rule = Rule(excluded=True, zone="Asia/Tokyo")
    assert rule.told(Rule()) == "responses count that are excluded from calculations and days are those of Asia/Tokyo"
    assert Rule().told(Rule(completed=True, zone=UTC)) == (
        "incomplete responses count, too and days are those of the account"
    )
    assert rule.told(rule) == ""


def test_all_rules_are_compared_the_nearest_first() -> None:
    base = Rule(completed=True)
    found = list(rules(base, ["nps", "all"]))
    assert (found[0], len(found), len(set(found))) == (base, 64, 64)
    assert [len(rule.changes(base)) for rule in found] == sorted(len(rule.changes(base)) for rule in found)
    # One of another place is there as well.
    assert Rule(zone="Asia/Tokyo") in rules(Rule(zone="Asia/Tokyo"), ["nps"])


def test_choices_of_the_same_surveys_are_one() -> None:
    assert different({"nps": frozenset([1]), "undecided": frozenset([1]), "all": frozenset([1, 2])}) == ["nps", "all"]


def test_every_word_is_told() -> None:
    assert all(given_rule(word).told(Rule()) for word in WORDS)


def test_counts_add() -> None:
    assert (Counts(3, 2, 1).plus(Counts(1, 1, 1)), Counts(3, 2, 1).less(Counts(1, 2, 4)).distance) == (
        Counts(4, 3, 2), 5,
    )  # fmt: skip
