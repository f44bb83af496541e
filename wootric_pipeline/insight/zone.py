"""The account's time zone: Wootric's days are those of its clocks, and so are ours."""

from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from ..errors import ConfigurationError
from ..settings import shown

ASSUMED = "UTC"


class AccountZone(NamedTuple):
    """Of which zone days are.

    Attributes:
        name: As the IANA has it.
        known_by: The setting `time_zone`; or nothing, and then it is assumed to be UTC.
    """

    name: str
    known_by: Literal["setting", "assumed"]


def account_zone(given: str | None) -> AccountZone:
    """The zone of the account.

    Args:
        given: The setting `time_zone`, an IANA name; None or empty where there is none.

    Raises:
        ConfigurationError: There is no zone of that name.
    """
    name = (given or "").strip()
    if not name:
        return AccountZone(ASSUMED, "assumed")
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ConfigurationError(
            f"time_zone must be a name such as America/Los_Angeles; there is no zone {shown(name)}."
        ) from None
    return AccountZone(name, "setting")
