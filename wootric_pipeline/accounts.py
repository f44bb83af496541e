"""Several Wootric accounts: each has a name, settings of its own over the common ones, and a source of that name.

dlt looks for the settings of a source `acme` of the section `wootric` below `[sources.wootric.acme]`, and then below
`[sources.wootric]`. So a clone of the source is all it takes; what the command asks settings for does the same here.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import Parameter
from typing import Any, NamedTuple

import dlt

from .dlt_internals import settings_sections
from .errors import ConfigurationError
from .misspelling import OF_COMMAND, OF_DLT, SECTIONS, SOURCE, settings_paths
from .settings import shown

SECTION = SOURCE[1]
"""Of the source, below `[sources]`."""
ALL = "all"
"""In place of the names of accounts."""
NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*\Z")
NAME_LENGTH_MAX = 40
"""Databases have short names of datasets, and an account's is behind a prefix."""

ENDS = ("dbt", "demo", "marts", "pipeline", "runs", "staging")
"""Of names of other pipelines and datasets, such as that of an account's marts."""
PAIRS = (("client_id", "client_secret"), ("username", "password"))
"""Of settings: either signs in."""


class Account(NamedTuple):
    """Whose rows are loaded.

    Attributes:
        source: The name of the source in dlt's schema and state.
        section: Where its settings stand.
    """

    source: str = SOURCE[1]
    section: str = ".".join(SOURCE)

    @property
    def name(self) -> str:
        """Empty where there is one account, which needs none."""
        return "" if self.source == SOURCE[1] else self.source

    def value(self, name: str, kind: Any = None) -> Any:
        """A setting as dlt's configuration has it: the account's own, or what is common; None if it is not set.

        Args:
            name: Of the setting.
            kind: Its type; None leaves it as it stands there.
        """
        found = (dlt.config.get(f"{section}.{name}", kind) for section in (self.section, ".".join(SOURCE)))
        return next((value for value in found if value is not None), None)

    def arguments(self, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
        """What a source is to be given, so that all of the account's own settings go before the common ones.

        Left to itself, dlt would take a common one in the environment before an own one in a file.

        Args:
            parameters: Of the source.
        """
        if not self.name:
            return {}
        own = {name: self._own(name, each.default) for name, each in parameters.items()}
        given = {name: value for name, value in own.items() if value is not None}
        pairs = [pair for pair in PAIRS if given.keys() & set(pair)]
        if len(pairs) == 1:
            # A client of all accounts would go before a person of this one.
            given |= {name: "" for pair in PAIRS if pair not in pairs for name in pair}
        return given

    def _own(self, name: str, default: Any) -> Any:
        kind: Any = type(default) if isinstance(default, int | float) else None
        return dlt.config.get(f"{self.section}.{name}", kind)


_ONE = Account()
_current: ContextVar[Account | None] = ContextVar("wootric_account", default=None)


def account() -> Account:
    """The one that a program is about."""
    return _current.get() or _ONE


@contextmanager
def about(given: Account) -> Iterator[None]:
    """What is done within is about an account."""
    token = _current.set(given)
    try:
        yield
    finally:
        _current.reset(token)


def of_clone(source: str) -> Account:
    """The account of a source that is being made: that which a program is about, or that of a clone's own name.

    Args:
        source: Its name.
    """
    if source in (SOURCE[1], account().source):
        return account()
    return Account(source, ".".join(settings_sections()))


def names() -> list[str]:
    """Those that have settings of their own, in the order in which they stand there."""
    found = (path[2] for path in settings_paths() if path[:2] == SOURCE and len(path) > 3)
    return [name for name in dict.fromkeys(found) if name not in (SOURCE[1], *OF_COMMAND, *SECTIONS)]


def others(whose: Account) -> list[str]:
    """The accounts whose settings are of no account for another one; a program about none looks at all."""
    return [name for name in names() if name != whose.name] if whose.name else []


def given_name(name: str) -> str:
    """The name of an account, that settings may know or not.

    Raises:
        ConfigurationError: It cannot be one.
    """
    taken = (ALL, SOURCE[1], *OF_COMMAND, *OF_DLT, *SECTIONS)
    is_taken = name in taken or name.rpartition("_")[2] in ENDS
    if not NAME.fullmatch(name) or len(name) > NAME_LENGTH_MAX or is_taken:
        raise ConfigurationError(
            f"{shown(name)} cannot be the name of an account: use small letters, digits and single underscores, "
            f"{NAME_LENGTH_MAX} at most, no name of a table or setting, and none of {', '.join(ENDS)} at the end."
        )
    return name


def named(name: str) -> Account:
    """The account of a name; an empty one is that which needs none.

    Raises:
        ConfigurationError: No settings name it, so that another account's rows would be loaded for its.
    """
    if not name:
        return _ONE
    section = ".".join((*SOURCE, given_name(name)))
    if name not in (known := names()):
        there_are = f"; there are {', '.join(known)}" if known else ""
        raise ConfigurationError(f"There is no account {name}: give it settings under [{section}]{there_are}.")
    return Account(name, section)
