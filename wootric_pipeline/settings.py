"""What a user may set, checked: a mistake is told in one sentence before the first request."""

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from math import isfinite

from .errors import ConfigurationError
from .tables import ALL_TABLES, DEFAULT_TABLES

DELETED = ("keep", "mark", "remove")
"""What may be done with rows that are gone."""


def given(secret: str | None) -> str | None:
    """A secret, unless it is still what `dlt init` writes into secrets.toml for one to be filled in.

    Blanks and line breaks around it come from files and from copying; no id, secret, token or address has them.
    """
    return given_password(None if secret is None else secret.strip())


def given_password(password: str | None) -> str | None:
    """As `given`, but only line breaks are taken off its ends: blanks may belong to a password."""
    return None if password is None or password.strip() in ("", "<configure me>") else password.strip("\r\n")


def shown(text: str) -> str:
    """A text of the user's in the words of a message: nothing in it controls a terminal."""
    return "".join(each if each.isprintable() else "?" for each in text)


def moment(name: str, value: str | None) -> datetime | None:
    """An ISO 8601 date or time; a date is its midnight, and what has no zone is UTC.

    Raises:
        ConfigurationError: It is neither.
    """
    if value is None:
        return None
    try:
        parsed = datetime.fromisoformat(value.strip().replace("Z", "+00:00"))
    except ValueError:
        raise ConfigurationError(
            f"{name} must be a date such as 2024-01-31 or a time such as 2024-01-31T08:00:00Z."
        ) from None
    return parsed.astimezone(timezone.utc) if parsed.tzinfo else parsed.replace(tzinfo=timezone.utc)


def patterns(name: str, given: str | Sequence[str] | None) -> list[str] | None:
    """Patterns of columns, or a text such as `responses.ip_address,end_users.email`; see `words`."""
    return words(name, given, '["responses.ip_address", "end_users.email"]')


def words(name: str, given: str | Sequence[str] | None, example: str) -> list[str] | None:
    """A list, or a text with commas, which may also be a list in JSON.

    Args:
        name: Of the setting.
        given: Its value.
        example: How a list is written.

    Raises:
        ConfigurationError: It is neither.
    """
    if isinstance(given, str) and given.strip().startswith("["):
        with suppress(ValueError):
            given = json.loads(given)
    if isinstance(given, str):
        given = given.split(",")
    if given is None:
        return None
    if not isinstance(given, Sequence) or not all(isinstance(each, str) for each in given):
        raise ConfigurationError(f"{name} must be a list such as {example}.")
    return [word.strip() for word in given if word.strip()]


def span(start_date: str | None, end_date: str | None) -> tuple[datetime | None, datetime | None]:
    """Both ends of what is to be loaded, closed-open.

    Raises:
        ConfigurationError: One is no date, the end is not after the start, or there is an end without a start.
    """
    start, end = moment("start_date", start_date), moment("end_date", end_date)
    if start is not None and start > datetime.now(timezone.utc):
        raise ConfigurationError("start_date must not lie in the future.")
    if end is not None and start is None:
        raise ConfigurationError("end_date needs a start_date: together they are the range to load.")
    if start is not None and end is not None and end <= start:
        raise ConfigurationError("end_date must be later than start_date.")
    return start, end


def range_of(start_date: str, end_date: str) -> tuple[datetime, datetime]:
    """As `span`, of both ends."""
    start, end = span(start_date, end_date)
    if start is None or end is None:
        raise ConfigurationError("A range needs a start and an end.")
    return start, end


def at_least(least: int, **values: float) -> None:
    """Raises ConfigurationError if a number is set below the least that makes sense."""
    for name, value in values.items():
        _check_finite(name, value)
        if value < least:
            raise ConfigurationError(f"{name} must be {least} or more.")


def _check_finite(name: str, value: float) -> None:
    if not isinstance(value, int | float) or not isfinite(value):
        raise ConfigurationError(f"{name} must be a finite number.")


def above(limit: int, **values: float) -> None:
    """Raises ConfigurationError if a number is not more than it has to be."""
    for name, value in values.items():
        _check_finite(name, value)
        if value <= limit:
            raise ConfigurationError(f"{name} must be more than {limit}.")


def deleted(what: str) -> str:
    """What to do with rows that Wootric does not have any more: one of `DELETED`.

    Raises:
        ConfigurationError: It is none.
    """
    if what not in DELETED:
        raise ConfigurationError(f"deleted must be one of {', '.join(DELETED)}.")
    return what


def tables(names: str | Sequence[str] | None) -> list[str]:
    """The names of the tables of a list such as `responses,declines`; None is those that are the default.

    Raises:
        ConfigurationError: Wootric has no such table, or none is named.
    """
    if (wanted := words("tables", names, '["responses", "nps_summary"]')) is None:
        return list(DEFAULT_TABLES)
    choice = ", ".join(ALL_TABLES)
    if not wanted:
        raise ConfigurationError(f"tables names none; choose from {choice}, or leave it out.")
    if unknown := [shown(name) for name in wanted if name not in ALL_TABLES]:
        raise ConfigurationError(f"There is no table {', '.join(unknown)}; choose from {choice}.")
    return [name for name in ALL_TABLES if name in wanted]
