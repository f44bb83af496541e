"""dlt's runtime as the command sets it up, for what the user has not set."""

import gc
import logging
import os
import re
import warnings
from typing import TypeVar

import dlt
from dlt import Pipeline

from ..accounts import account
from ..destinations.layout import Layout, kind_of, layout
from ..dlt_internals import start_runtime
from ..errors import ConfigurationError
from ..settings import shown

GC_THRESHOLD = 200_000
DLT_SETTINGS = {
    # dlt logs failures with tracebacks and repeats messages of destinations, which may hold rows.
    "runtime.log_level": "CRITICAL",
    # Nothing is sent anywhere but to Wootric and the destination.
    "runtime.dlthub_telemetry": "false",
    # What dlt extracts is read again at once: compressing it costs more than it saves.
    "sources.data_writer.disable_compression": "true",
    # Rows would lie in the working folder for ever, and fill the disk.
    "load.delete_completed_jobs": "true",
}
READ_BY_DUCKDB = ("duckdb", "motherduck", "ducklake")
Value = TypeVar("Value", str, float, bool)


def set_up_dlt() -> None:
    """Starts dlt's runtime, with the command's defaults.

    Raises:
        ConfigurationError: It cannot log as it is told to.
    """
    # What is written to disk holds personal data.
    os.umask(0o077)
    # Rows make many objects and no cycles, which Python would look for all the time.
    gc.set_threshold(GC_THRESHOLD, 20, 50)
    # Of a query of dlt's own, which is right.
    warnings.filterwarnings("ignore", "Coercing Subquery object into a select")
    # Of Iceberg tables that have no rows yet and are replaced.
    warnings.filterwarnings("ignore", "Delete operation did not match any records")
    logging.getLogger("dlt").addFilter(withhold_content)
    try:
        unset = {name: value for name, value in DLT_SETTINGS.items() if dlt.config.get(name) is None}
    except ValueError:
        raise ConfigurationError("log_level or log_format under [runtime] cannot be used.") from None
    os.environ.update({name.replace(".", "__").upper(): value for name, value in unset.items()})
    start_runtime()


def check_working_folder(folder: str, destination: str) -> None:
    """Raises ConfigurationError if files in the folder in which dlt works could not be loaded from there (dlt 1.31).

    Args:
        folder: Its whole path.
        destination: The kind of destination that they are loaded into.
    """
    # dlt makes a template of the path; DuckDB gets it in a query, and takes `env=prod` for a column.
    if "%" in folder or (destination in READ_BY_DUCKDB and re.search("['=]", folder)):
        raise ConfigurationError(
            f"dlt cannot work in {shown(folder)}, because of a character in its name; set another folder in "
            "DLT_DATA_DIR."
        )


def withhold_content(record: logging.LogRecord) -> bool:
    """Cuts from dlt's warnings and errors what they repeat of other messages, which may hold rows or settings."""
    if record.levelno >= logging.WARNING:
        record.msg, record.args = re.split(r":|\n| with message", record.getMessage(), maxsplit=1)[0], None
        record.exc_info = record.exc_text = None
    return True


def setting(key: str, kind: type[Value], default: Value) -> Value:
    """A value of dlt's configuration (environment, .dlt/config.toml)."""
    value = dlt.config.get(key, kind)
    return default if value is None else value


def source_setting(name: str, kind: type[Value], default: Value) -> Value:
    """As `setting`, of those of the source that the program is about."""
    value = account().value(name, kind)
    return default if value is None else value


def files() -> str:
    """The setting for destinations that keep files."""
    return source_setting("files", str, "delta")


def laid_out(pipeline: Pipeline) -> Layout:
    """How rows are laid out where a pipeline loads into.

    Raises:
        ConfigurationError: The setting `files` is none.
    """
    return layout(kind_of(pipeline), files())
