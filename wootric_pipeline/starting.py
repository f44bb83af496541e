"""While the command is imported, which takes a second, an interrupt ends it with a sentence in place of a traceback."""

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

STOPPED = "Stopped; what was loaded before stays valid, and running again goes on from there."
FAILURE = 1


def started() -> None:
    """Leaves interrupts to the command, which is imported."""
    if signal.getsignal(signal.SIGINT) is _stop:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _stop(_signal: int, _frame: FrameType | None) -> None:
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{STOPPED}\n".encode())
    # An exception would be raised in the midst of an import, which may take it for its own.
    os._exit(FAILURE)


def _is_command() -> bool:
    """Whether the package is imported for its command, by its installed name, the script or `-m`."""
    if __package__ != "wootric_pipeline" or threading.current_thread() is not threading.main_thread():
        return False
    if sys.argv[:1] == ["-m"]:
        return f" -m {__package__} " in f"{' '.join(sys.orig_argv)} "
    return bool(sys.argv) and Path(sys.argv[0]).stem in ("wootric-pipeline", "wootric_pipeline")


# Ignored, as in the background of a shell, it stays so.
if _is_command() and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _stop)
