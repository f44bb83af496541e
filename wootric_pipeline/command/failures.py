"""What went wrong, in one plain sentence and with an exit code, whoever raised it.

Messages of destinations may hold rows and those of dlt may hold settings, so neither is repeated: a failure is told
by what kind it is. `explain` knows the mistakes users make; anything else is named by its type. A destination that
cannot be reached may only be down for a while, so that is no mistake.
"""

import errno
import os
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from dlt.pipeline.exceptions import PipelineStepFailed

from ..dlt_internals import (
    data_folder,
    is_failed_connection,
    is_malformed_address,
    is_unusable_setting,
    missing_packages,
    missing_settings,
    mistyped_setting,
    secret_in_config,
    unknown_destination,
    unread_settings_file,
)
from ..errors import AuthenticationFailed, ConfigurationError, WootricError
from ..starting import FAILURE, STOPPED

USER_MISTAKE = 2

Told = tuple[str, int]
"""A sentence for the user, and the exit code."""

_DISK_FULL: Told = ("The disk is full, or a file may not grow further; make room and run again.", FAILURE)
_UNREACHABLE: Told = (
    "The destination cannot be reached; check its address under [destination] and whether it is up, and run again.",
    FAILURE,
)
_LOGIN_REFUSED: Told = (
    "The destination refuses the login; check user and password in its credentials under [destination].",
    USER_MISTAKE,
)
_NO_DATABASE: Told = (
    "The destination has no database of that name; create it, or check its credentials under [destination].",
    USER_MISTAKE,
)
_NO_RIGHTS: Told = (
    "The destination does not let its user do what loading needs; grant the rights to create schemas, tables and "
    "temporary tables, or set another user under [destination].",
    USER_MISTAKE,
)
_TOO_WIDE: Told = (
    'A table has more columns than the destination can hold; set properties = "json" under [sources.wootric] and run '
    "again.",
    USER_MISTAKE,
)
_STORE_REFUSES: Told = (
    "The bucket does not exist, or the credentials may not use it; check bucket_url and credentials under "
    "[destination.filesystem].",
    USER_MISTAKE,
)

_BY_MESSAGE: Mapping[str, Mapping[str, Told]] = {
    "duckdb": {
        "No space left|File too large|Disk quota exceeded": _DISK_FULL,
        "Could not set lock on file": (
            "The DuckDB file is open in another process; close it there, or run again with --wait.",
            FAILURE,
        ),
        # The second is said of a file whose disk was full when it was made.
        "not a valid DuckDB database file|Could not read enough bytes": (
            "The file to load into is no DuckDB database; move it away, or set another file under [destination.duckdb] "
            "credentials.",
            USER_MISTAKE,
        ),
        "read-only|Permission denied|Cannot open file|Is a directory": (
            "The DuckDB file cannot be written; check the path and its permissions, or set another file under "
            "[destination.duckdb] credentials.",
            USER_MISTAKE,
        ),
        "Ambiguous reference to catalog or schema": (
            "The dataset must not have the name of the DuckDB file; choose another with --dataset.",
            USER_MISTAKE,
        ),
    },
    # What fails while PostgreSQL is connected to has no SQLSTATE in psycopg2.
    "psycopg2": {
        "password authentication failed|no password supplied|no pg_hba.conf entry": _LOGIN_REFUSED,
        'database ".*" does not exist': _NO_DATABASE,
        "Connection refused|could not translate host name|closed the connection|database system is": _UNREACHABLE,
    },
    # By SQLAlchemy both come as OperationalError, which most often means that there is no connection.
    "sqlite3": {
        "too many columns|too many SQL variables": _TOO_WIDE,
        "unable to open database file|readonly database": (
            "The SQLite file cannot be written; check the path and its permissions, or set another file under "
            "[destination.sqlalchemy] credentials.",
            USER_MISTAKE,
        ),
    },
    "pymysql": {"Too many columns|Row size too large": _TOO_WIDE},
    "botocore": {"Could not connect to the endpoint": _UNREACHABLE},
    "builtins": {
        # Delta Lake raises an OSError for everything.
        "Generic .* error.*error sending request": _UNREACHABLE,
        "Must be file scheme": (
            "bucket_url under [destination.filesystem] must be an address such as s3://bucket/folder, or a path.",
            USER_MISTAKE,
        ),
        "Invalid endpoint": (
            "endpoint_url under [destination.filesystem.credentials] must be an address such as "
            "https://s3.example.com.",
            USER_MISTAKE,
        ),
    },
}
"""By the package that raises an error, and a pattern in its message."""

_BY_SQLSTATE: Mapping[str, Told] = {
    "28": _LOGIN_REFUSED,
    "3D": _NO_DATABASE,
    "42501": _NO_RIGHTS,
    "53100": _DISK_FULL,
    "540": _TOO_WIDE,
    "57P": _UNREACHABLE,
}
"""By how the code that SQL gives to an error begins."""

BY_DLT = {
    **dict.fromkeys(("s3", "gcs", "gs", "azure", "adls", "files", "delta", "iceberg"), "filesystem"),
    **dict.fromkeys(("sqlite", "mysql", "mariadb"), "sqlalchemy"),
    "postgresql": "postgres",
}
"""What dlt calls destinations that have other names elsewhere."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_BAD_PATH = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)


def explain(error: BaseException) -> Told:
    """The sentence for the user, and the exit code."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, WootricError):
            return str(cause), USER_MISTAKE if isinstance(
                cause, (ConfigurationError, AuthenticationFailed)
            ) else FAILURE
    if any(isinstance(cause, KeyboardInterrupt) for cause in causes):
        return STOPPED, FAILURE
    for cause in causes:
        if (known := _of_settings(cause) or _of_files(cause) or _of_destination(cause)) is not None:
            return known
    if any(is_failed_connection(each) or _is_operational(each) for each in causes):
        return (
            "The destination cannot be reached, or refuses the login; check its credentials under [destination] and "
            "whether it is up, and run again.",
            FAILURE,
        )
    kind = type(causes[-1]).__name__
    if isinstance(error, PipelineStepFailed):
        return (
            f"The {error.step} step failed ({kind}); what was loaded before stays valid, and running again goes on "
            "from there; --debug --log-file wootric.log shows where it fails.",
            FAILURE,
        )
    return (
        f"The run failed ({kind}); what was loaded before stays valid, and running again goes on "
        "from there; --debug --log-file wootric.log shows where it fails.",
        FAILURE,
    )


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


def _of_settings(error: BaseException) -> Told | None:
    """What dlt says of settings and of what is installed."""
    if (sentence := _of_one_setting(error)) is not None:
        return sentence, USER_MISTAKE
    if missing := missing_packages(error):
        caller, packages = missing
        named = " ".join(f'"{package}"' for package in packages)
        return f"{caller} needs more packages; install them with: pip install {named}", USER_MISTAKE
    if destination := unknown_destination(error):
        if name := BY_DLT.get(destination.lower()):
            return f"There is no destination {destination}; its name is {name}.", USER_MISTAKE
        return (
            f"There is no destination {destination}; choose one that dlt has, such as duckdb, postgres or filesystem.",
            USER_MISTAKE,
        )
    if is_unusable_setting(error):
        return (
            f"A setting cannot be used ({type(error).__name__}); check .dlt/config.toml and .dlt/secrets.toml.",
            USER_MISTAKE,
        )
    return None


def _of_one_setting(error: BaseException) -> str | None:
    if mistyped := mistyped_setting(error):
        name, kind = mistyped
        return f"The setting {name} must be of the type {kind}."
    if missing := missing_settings(error):
        return f"Settings are missing ({', '.join(missing)}); put them in .dlt/secrets.toml or in the environment."
    if secret := secret_in_config(error):
        return f"{secret} is secret; move it from config.toml to secrets.toml under .dlt, or into the environment."
    if unread := unread_settings_file(error):
        name, is_opened = unread
        if is_opened:
            return f"{name} is not valid TOML; check what is written in it under .dlt."
        return f"{name} cannot be read; check its permissions under .dlt."
    if is_malformed_address(error):
        return (
            "The credentials under [destination] must be an address such as "
            "postgresql://user:password@host:5432/database."
        )
    return None


def _of_files(error: BaseException) -> Told | None:
    """What the operating system says of files, or fsspec of objects in a store as if they were files."""
    if not isinstance(error, OSError):
        return None
    if error.errno in _NO_ROOM:
        return _DISK_FULL
    if isinstance(error, PermissionError) and error.filename is None:
        return _STORE_REFUSES
    if error.errno in _BAD_PATH and error.filename is not None:
        return _of_path(os.path.abspath(error.filename)), USER_MISTAKE
    return None


def _of_path(path: str) -> str:
    working_folder = data_folder()
    if path.startswith(working_folder):
        return f"dlt cannot work in {working_folder}; check its permissions, or set another folder in DLT_DATA_DIR."
    if ".dlt" in Path(path).parts:
        return f"{path} cannot be written; check its permissions."
    return f"{path} cannot be written; check its permissions, or set another bucket_url under [destination.filesystem]."


def _of_destination(error: BaseException) -> Told | None:
    """What drivers and stores say."""
    if isinstance(error, (ConnectionRefusedError, ConnectionResetError, TimeoutError, socket.gaierror)):
        return _UNREACHABLE
    package = type(error).__module__.partition(".")[0].lstrip("_")
    sql_state = str(getattr(error, "pgcode", None) or "")
    patterns = _BY_MESSAGE.get(package, {})
    by_message = (told for pattern, told in patterns.items() if re.search(pattern, str(error), re.DOTALL))
    by_sql_state = (told for start, told in _BY_SQLSTATE.items() if sql_state.startswith(start))
    return next(by_message, None) or next(by_sql_state, None)
