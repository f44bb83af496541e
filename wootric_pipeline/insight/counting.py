"""By which rule responses are counted: what Wootric counts in its own figures is not documented."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import Any, Literal

from ..errors import ConfigurationError
from ..settings import shown, words
from .surveys import SurveyMetric
from .zones import UTC

Surveys = Literal["nps", "undecided", "all"]
"""Whose responses count: those of NPS surveys, also of surveys that are not decided, or of all."""

EXAMPLE = '["excluded", "completed"]'


@dataclass(frozen=True)
class Rule:
    """What counts.

    Attributes:
        excluded: Whether responses count that are excluded from calculations.
        completed: Whether only complete ones count.
        surveys: Of which surveys.
        latest: Whether of each person only the latest one in the range counts.
        last_day_out: Whether the last day of a range that is asked for does not belong to it.
        zone: Whose days are meant; empty for the account's.
    """

    excluded: bool = False
    completed: bool = False
    surveys: Surveys = "nps"
    latest: bool = False
    last_day_out: bool = False
    zone: str = ""

    def changes(self, base: "Rule") -> set[str]:
        """In what it differs from another."""
        return {each.name for each in fields(self) if getattr(self, each.name) != getattr(base, each.name)}

    @property
    def setting(self) -> list[str]:
        """As the setting `counting` has it, but for days that are neither the account's nor those of UTC."""
        return [word for word, (name, value) in WORDS.items() if getattr(self, name) == value]

    def told(self, base: "Rule") -> str:
        """In words, what is other than in another rule."""
        told = []
        for name in sorted(self.changes(base), key=[each.name for each in fields(self)].index):
            value = getattr(self, name)
            words = TOLD.get((name, value))
            told.append(words or f"days are those of {value or 'the account'}")
        return " and ".join(told)


WORDS: Mapping[str, tuple[str, object]] = {
    "excluded": ("excluded", True),
    "completed": ("completed", True),
    "undecided_surveys": ("surveys", "undecided"),
    "all_surveys": ("surveys", "all"),
    "latest": ("latest", True),
    "last_day_out": ("last_day_out", True),
    "utc": ("zone", UTC),
}
"""Of the setting `counting`."""
TOLD: Mapping[tuple[str, object], str] = {
    ("excluded", True): "responses count that are excluded from calculations",
    ("excluded", False): "responses that are excluded from calculations do not count",
    ("completed", True): "only complete responses count",
    ("completed", False): "incomplete responses count, too",
    ("surveys", "nps"): "only surveys count that are NPS for certain",
    ("surveys", "undecided"): "surveys count, too, whose metric is undecided",
    ("surveys", "all"): "all surveys count, whatever their metric is",
    ("latest", True): "of each person only the latest response counts",
    ("latest", False): "all responses of each person count",
    ("last_day_out", True): "the last day of a range does not belong to it",
    ("last_day_out", False): "the last day of a range belongs to it",
    ("zone", UTC): "days are those of UTC",
}


def given_rule(value: str | Sequence[str] | None) -> Rule:
    """The setting `counting`: in what the account counts otherwise than `Rule()` does.

    Raises:
        ConfigurationError: A word is none.
    """
    given: dict[str, Any] = {}
    for word in words("counting", value, EXAMPLE) or ():
        if word not in WORDS:
            raise ConfigurationError(f"counting knows no {shown(word)}; choose from {', '.join(WORDS)}.")
        name, chosen = WORDS[word]
        given[name] = chosen
    return Rule(**given)


def rules(base: Rule, surveys: Collection[Surveys]) -> Iterator[Rule]:
    """All rules, each of which is compared, the nearest to one first.

    Args:
        base: That one.
        surveys: Which choices of surveys there are.
    """
    choice = product((False, True), (False, True), surveys, (False, True), (False, True), ("", UTC))
    found = {base, *(Rule(*each) for each in choice)}
    yield from sorted(found, key=lambda rule: (len(rule.changes(base)), str(rule)))


def counted_surveys(metrics: Mapping[int | None, SurveyMetric]) -> dict[Surveys, frozenset[int | None]]:
    """The surveys that count, by the choices that differ."""
    nps = frozenset(each for each, known in metrics.items() if known.metric == "nps")
    undecided = nps | {each for each, known in metrics.items() if known.metric is None}
    found: dict[Surveys, frozenset[int | None]] = {"nps": nps, "undecided": undecided, "all": frozenset(metrics)}
    return found


def different(choices: Mapping[Surveys, frozenset[int | None]]) -> list[Surveys]:
    """Of choices that count the same surveys, the first."""
    kept: list[Surveys] = []
    for name, surveys in choices.items():
        if all(surveys != choices[each] for each in kept):
            kept.append(name)
    return kept
