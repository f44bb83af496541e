"""How sure a score is, whether it moved, and which of many groups differ: pure functions of counts.

The interval is the adjusted Wald interval of a difference of shares (Rocks 2016): three answers are added, in equal
parts. With few answers the plain one is too narrow. The marts have the same for weeks, months and quarters.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

Z_95 = 1.96
"""Standard errors to each side of a 95 % interval."""
LEVEL = 0.05
INTERVAL_MIN, POINT_MIN = 10, 30
"""Of fewer responses only counts are shown; of fewer than the second an interval without a score."""

_ADDED = 0.75
"""Of promoters, and as many detractors; passives get twice as much."""


class Counts(NamedTuple):
    """How many answers of each kind."""

    promoters: int = 0
    passives: int = 0
    detractors: int = 0

    @property
    def responses(self) -> int:
        """All of them."""
        return self.promoters + self.passives + self.detractors

    @property
    def has_interval(self) -> bool:
        """Whether they are enough to show an interval."""
        return self.responses >= INTERVAL_MIN

    @property
    def has_point(self) -> bool:
        """Whether they are enough to show a score."""
        return self.responses >= POINT_MIN

    @property
    def nps(self) -> float:
        """100 times promoters less detractors, by responses; of none it is 0.

        >>> round(Counts(46, 24, 5).nps, 2)
        54.67
        """
        return 100 * (self.promoters - self.detractors) / (self.responses or 1)

    @property
    def low(self) -> float:
        """The lower end of the 95 % interval; -100 at least.

        >>> round(Counts(46, 24, 5).low, 1)
        38.6
        """
        return 100 * max(self._adjusted - Z_95 * self._error, -1)

    @property
    def high(self) -> float:
        """The upper end; 100 at most.

        >>> round(Counts(46, 24, 5).high, 1)
        66.5
        """
        return 100 * min(self._adjusted + Z_95 * self._error, 1)

    @property
    def _adjusted(self) -> float:
        return (self.promoters - self.detractors) / (self.responses + 4 * _ADDED)

    @property
    def _error(self) -> float:
        total = self.responses + 4 * _ADDED
        both = (self.promoters + self.detractors + 2 * _ADDED) / total
        return math.sqrt((both - self._adjusted**2) / total)

    def plus(self, other: "Counts") -> "Counts":
        """Both together."""
        return Counts(*(mine + its for mine, its in zip(self, other, strict=True)))

    def less(self, other: "Counts") -> "Counts":
        """Those that are not of the other."""
        return Counts(*(mine - its for mine, its in zip(self, other, strict=True)))

    @property
    def distance(self) -> int:
        """Of a difference: how many answers it is in all."""
        return sum(map(abs, self))

    def z_against(self, other: "Counts") -> float:
        """By how many standard errors of the difference this score is above another.

        >>> round(Counts(46, 24, 5).z_against(Counts(30, 28, 12)), 2)
        2.5
        """
        return (self._adjusted - other._adjusted) / math.hypot(self._error, other._error)

    def smallest_change(self, other: "Counts") -> float:
        """How many points of difference from another are more than chance."""
        return 100 * Z_95 * math.hypot(self._error, other._error)


class Share(NamedTuple):
    """A share of answers with its 95 % interval (Agresti and Coull), each 0 to 1."""

    share: float
    low: float
    high: float


def share(having: int, responses: int) -> Share:
    """The share of answers that have something, of at least one."""
    total = responses + 4
    middle = (having + 2) / total
    error = Z_95 * math.sqrt(middle * (1 - middle) / total)
    return Share(having / responses, max(middle - error, 0), min(middle + error, 1))


def p_value(z: float) -> float:
    """How often chance alone gives a difference of so many standard errors, in whichever direction.

    >>> round(p_value(1.96), 3)
    0.05
    """
    return math.erfc(abs(z) / math.sqrt(2))


def holm(p_values: Sequence[float]) -> list[bool]:
    """Which of several differences are more than chance, though many were looked at (Holm's correction, 5 %).

    >>> holm([0.001, 0.04, 0.02])
    [True, True, True]
    >>> holm([0.001, 0.04, 0.03])
    [True, False, False]
    """
    differ = [False] * len(p_values)
    in_order = sorted(range(len(p_values)), key=lambda number: p_values[number])
    for rank, number in enumerate(in_order):
        if p_values[number] > LEVEL / (len(p_values) - rank):
            break
        differ[number] = True
    return differ
