"""Parts of the answers, each against all others."""

from collections.abc import Mapping, Sequence

from ..statistics import Counts, holm, p_value
from .figures import Dimension, Group

GROUPS_MAX = 12
RANGES = 4
"""Into which numbers are put, of which there are many."""
NOT_KNOWN = "not known"


def compared(
    name: str, groups: Mapping[str, Counts], total: Counts, *, has_rest: bool = False, is_in_order: bool = False
) -> Dimension:
    """The largest groups, and which of them differ from all other answers; the best first.

    Args:
        name: What parts them.
        groups: By name.
        total: All answers.
        has_rest: Whether answers that are in none of them are a group, too: the last.
        is_in_order: Whether the groups are in an order that is to be kept.
    """
    named = list(groups.items())
    largest = sorted(named, key=lambda each: (-each[1].responses, each[0]))[:GROUPS_MAX]
    shown = [each for each in named if each in largest] if is_in_order else sorted(largest, key=_best_first)
    if has_rest:
        rest = total
        for _, counts in named:
            rest = rest.less(counts)
        shown += [(NOT_KNOWN, rest)] * bool(rest.responses)
    zs = [_z(counts, total.less(counts)) for _, counts in shown]
    # Two that are all answers are compared by one test.
    is_one_test = len(shown) == 2 and shown[0][1].plus(shown[1][1]) == total
    differ = _differ(zs[:1] if is_one_test else zs) * (2 if is_one_test else 1)
    found = [Group(each, counts, z, is_other) for (each, counts), z, is_other in zip(shown, zs, differ, strict=True)]
    return Dimension(name, found, len(named) - len(largest))


def _best_first(each: tuple[str, Counts]) -> tuple[bool, float, str]:
    name, counts = each
    return not counts.has_interval, -counts.nps, name


def _z(counts: Counts, rest: Counts) -> float | None:
    return counts.z_against(rest) if counts.has_interval and rest.has_interval else None


def _differ(zs: Sequence[float | None]) -> list[bool]:
    differ = iter(holm([p_value(z) for z in zs if z is not None]))
    return [z is not None and next(differ) for z in zs]


def in_ranges(numbers: Mapping[float, Counts]) -> dict[str, Counts]:
    """Numbers as they are, or, of many, ranges that hold about as many answers each.

    >>> in_ranges({1: Counts(3), 2: Counts(4)})
    {'1': Counts(promoters=3, passives=0, detractors=0), '2': Counts(promoters=4, passives=0, detractors=0)}
    """
    if len(numbers) <= GROUPS_MAX:
        return {f"{number:,.10g}": numbers[number] for number in sorted(numbers)}
    total = sum(counts.responses for counts in numbers.values())
    found: dict[str, Counts] = {}
    part: list[float] = []
    together, answers = Counts(), 0
    for number in sorted(numbers):
        part.append(number)
        together = together.plus(numbers[number])
        answers += numbers[number].responses
        if answers * RANGES >= total * (len(found) + 1):
            found[f"{part[0]:,.10g} to {part[-1]:,.10g}"] = together
            part, together = [], Counts()
    return found
