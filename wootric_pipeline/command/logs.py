"""Where the log goes: nowhere, to a file of its owner's, or to the terminal with `--debug`.

What the loggers below `wootric_pipeline` say never holds a secret or what is in a row. Tracebacks may, so they are
written with `--debug` only.
"""

import logging
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ConfigurationError

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

log = logging.getLogger("wootric_pipeline")


@contextmanager
def logging_to(file: str | None, *, debug: bool) -> Iterator[None]:
    """Writes the log while a command runs.

    Args:
        file: Appended to, and made for its owner alone; None writes no file.
        debug: All there is, and to the terminal if there is no file.

    Raises:
        ConfigurationError: The file cannot be written.
    """
    if file is None and not debug:
        yield
        return
    handler = _to_file(file) if file else logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if debug else logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
        handler.close()


def _to_file(name: str) -> logging.Handler:
    path = Path(name).absolute()
    try:
        # Before the first line is in it.
        path.touch(mode=0o600)
        if stat.S_ISREG(path.stat().st_mode):
            os.chmod(path, 0o600)
        return logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"The log file {path} cannot be written ({error.strerror}); choose another with --log-file."
        ) from None
