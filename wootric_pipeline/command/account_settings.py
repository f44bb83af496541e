"""What settings and the times that were read say of the account, which the API does not."""

from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from ..accounts import account
from ..insight.counting import Rule, given_rule
from ..insight.surveys import Metric, given_metrics
from ..insight.zones import Offset, given_zone
from ..reading.reader import OFFSETS
from ..state import state_of
from ..tables import TABLES
from .runtime import source_setting


class AccountSettings:
    """The settings `surveys`, `counting` and `time_zone`.

    Attributes:
        surveys: Which survey is what.
        counting: By which rule the account counts.
        time_zone: The account's, an IANA name; empty where it is not set.

    Raises:
        ConfigurationError: One is none.
    """

    def __init__(self) -> None:
        self.surveys: Mapping[int, Metric] = given_metrics(account().value("surveys"))
        self.counting: Rule = given_rule(account().value("counting"))
        zone = source_setting("time_zone", str, "")
        self.time_zone = given_zone(zone) if zone.strip() else ""


def noted_offsets(state: Mapping[str, Any]) -> list[Offset]:
    """In which offsets the account has shown times while its lists were read.

    Args:
        state: That of the pipeline.
    """
    noted = [each for name in TABLES for each in state_of(state, account().source, name).get(OFFSETS, ())]
    return [Offset(datetime.fromtimestamp(second, timezone.utc), seconds) for second, seconds in noted]
