"""Where the log goes: nowhere, to a file of its owner's, or to the terminal with `--debug`.

What the loggers below `wootric_pipeline` say never holds a secret or what is in a row. Tracebacks may, so they are
written with `--debug` only.
"""

import logging
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    handler = logging.StreamHandler(sys.stderr) if file is None else _to_file(file)
    handler.setFormatter(logging.Formatter(FORMAT))
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if debug else logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
        # A full disk tells it once more.
        with suppress(OSError):
            handler.close()


class _ToFile(logging.FileHandler):
    """A file that can be full: what is loaded matters more than its log."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, encoding="utf-8")
        self._is_told = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  # logging's name
        """Tells it once, where logging would show a traceback with each line."""
        if not self._is_told:
            self._is_told = True
            print(f"The log file {self.baseFilename} cannot be written any more.", file=sys.stderr)


def _to_file(name: str) -> logging.Handler:
    path = Path(name).absolute()
    try:
        # Before the first line is in it.
        path.touch(mode=0o600)
        if stat.S_ISREG(path.stat().st_mode):
            os.chmod(path, 0o600)
        return _ToFile(path)
    except OSError as error:
        raise ConfigurationError(
            f"The log file {path} cannot be written ({error.strerror}); choose another with --log-file."
        ) from None
