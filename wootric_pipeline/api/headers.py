"""Headers of answers: wrong values are as good as none."""

import re
from collections.abc import Mapping
from datetime import timezone
from email.utils import parsedate_to_datetime
from functools import lru_cache

_SECONDS = re.compile(r"\s*[0-9]{1,9}(\.[0-9]{1,9})?\s*")


@lru_cache(maxsize=16)
def unix_seconds(date: str | None) -> float | None:
    """The time of an HTTP date; None if it is none."""
    try:
        moment = parsedate_to_datetime(date or "")
        # One of the three forms of HTTP has no zone, and is UTC.
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def retry_after_seconds(headers: Mapping[str, str], server_now: float) -> float:
    """How long `Retry-After` asks to wait, in either of its forms; 0 where it asks for nothing.

    Args:
        headers: Of the answer.
        server_now: UNIX seconds on the server's clock, by which it states a date.
    """
    value = headers.get("Retry-After", "")
    if _SECONDS.fullmatch(value):
        return float(value)
    moment = unix_seconds(value)
    return max(moment - server_now, 0.0) if moment is not None else 0.0
