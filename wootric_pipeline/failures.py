"""What went wrong, in one plain sentence and with an exit code, whoever raised it.

Messages of destinations may hold rows and those of dlt may hold settings, so neither is repeated: a failure is told
by what kind it is. `explain` knows the mistakes users make; anything else is named by its type.
"""

import errno
import re
from collections.abc import Iterator

from dlt.common.configuration.exceptions import (
    ConfigFieldMissingException,
    ConfigurationException,
    ConfigValueCannotBeCoercedException,
    LookupTraces,
)
from dlt.common.configuration.providers.toml import TomlProviderReadException
from dlt.common.destination.exceptions import UnknownDestinationModule
from dlt.common.exceptions import MissingDependencyException
from dlt.destinations.exceptions import DestinationConnectionError
from dlt.pipeline.exceptions import PipelineStepFailed

from .errors import AuthenticationFailed, ConfigurationError, WootricError

USER_MISTAKE = 2
FAILURE = 1

_DUCKDB_MISTAKES = {
    "Could not set lock on file": (
        "The DuckDB file is open in another process; close it there and run again.",
        FAILURE,
    ),
    "not a valid DuckDB database file": (
        "The file to load into is no DuckDB database; move it away, or set another file under [destination.duckdb] "
        "credentials.",
        USER_MISTAKE,
    ),
    r"read-only|Permission denied|Cannot open file|Is a directory": (
        "The DuckDB file cannot be written; check the path and its permissions, or set another file under "
        "[destination.duckdb] credentials.",
        USER_MISTAKE,
    ),
    "Ambiguous reference to catalog or schema": (
        "The dataset must not have the name of the DuckDB file; choose another with --dataset.",
        USER_MISTAKE,
    ),
}


def explain(error: BaseException) -> tuple[str, int]:
    """The sentence for the user, and the exit code."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, WootricError):
            return str(cause), USER_MISTAKE if isinstance(
                cause, (ConfigurationError, AuthenticationFailed)
            ) else FAILURE
    if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
        return "Stopped; what was loaded before stays valid, and running again continues.", FAILURE
    for cause in causes:
        if (known := _known(cause)) is not None:
            return known
    if any(isinstance(each, DestinationConnectionError) or _is_operational(each) for each in causes):
        return (
            "The destination cannot be reached, or refuses the login; check its credentials under [destination] and "
            "whether it is up, and run again.",
            FAILURE,
        )
    kind = type(causes[-1]).__name__
    if isinstance(error, PipelineStepFailed):
        return (
            f"The {error.step} step failed ({kind}); what was loaded before stays valid, and running again continues.",
            FAILURE,
        )
    return f"The run failed ({kind}); what was loaded before stays valid, and running again continues.", FAILURE


def _is_operational(error: BaseException) -> bool:
    """Whether a database driver says that not the query but its surroundings failed (the name is Python's DB-API's)."""
    return type(error).__name__ == "OperationalError"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what led to it, outermost first."""
    seen: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in seen:
        seen.append(current)
        yield current
        current = current.__cause__ or current.__context__


def _known(error: BaseException) -> tuple[str, int] | None:
    if isinstance(error, MissingDependencyException):
        packages = " ".join(f'"{package}"' for package in error.dependencies)
        return f"{error.caller} needs more packages; install them with: pip install {packages}", USER_MISTAKE
    if isinstance(error, UnknownDestinationModule):
        return (
            f"There is no destination {error.ref}; choose one that dlt has, such as duckdb, postgres or filesystem.",
            USER_MISTAKE,
        )
    if isinstance(error, ConfigValueCannotBeCoercedException):
        name = error.field_name.rpartition(".")[2]
        return f"The setting {name} must be of the type {_type_name(error.hint)}.", USER_MISTAKE
    if isinstance(error, ConfigFieldMissingException):
        fields = ", ".join(sorted(set(_missing_fields(error))))
        return f"Settings are missing ({fields}); put them in .dlt/secrets.toml or in the environment.", USER_MISTAKE
    if isinstance(error, TomlProviderReadException):
        return f"{error.file_name} is not valid TOML; check what is written in it under .dlt.", USER_MISTAKE
    if isinstance(error, ConfigurationException):
        return (
            f"A setting cannot be used ({type(error).__name__}); check .dlt/config.toml and .dlt/secrets.toml.",
            USER_MISTAKE,
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return "The disk is full; make room and run again.", FAILURE
    if type(error).__module__.startswith(("duckdb", "_duckdb")):
        return next((known for pattern, known in _DUCKDB_MISTAKES.items() if re.search(pattern, str(error))), None)
    return None


def _type_name(hint: object) -> str:
    """`int` of `typing.Optional[int]` and the like."""
    return re.sub(r"typing\.|Optional\[|\]|<class '|'>", "", str(hint))


def _missing_fields(error: ConfigFieldMissingException) -> Iterator[str]:
    for name, traces in error.traces.items():
        nested = [field for trace in traces if isinstance(trace, LookupTraces) for field in trace.traces]
        yield from (f"{name}.{field}" for field in nested) if nested else (name,)
