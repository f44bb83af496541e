"""dlt's runtime as the command sets it up, for what the user has not set."""

import gc
import logging
import os
import re
import warnings
from typing import TypeVar

import dlt

from ..dlt_internals import start_runtime
from ..errors import ConfigurationError

GC_THRESHOLD = 50_000
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
Value = TypeVar("Value", str, float)


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
    logging.getLogger("dlt").addFilter(withhold_content)
    try:
        unset = {name: value for name, value in DLT_SETTINGS.items() if dlt.config.get(name) is None}
    except ValueError:
        raise ConfigurationError("log_level or log_format under [runtime] cannot be used.") from None
    os.environ.update({name.replace(".", "__").upper(): value for name, value in unset.items()})
    start_runtime()


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
