"""One run at a time: a lock that the operating system takes away from a process however that ends.

The lock is one of `fcntl.lockf`, not of the package filelock, which uses `flock`: that is handed down to forked child
processes, and those of a run that was killed would keep it as long as they live.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..errors import ConfigurationError

log = logging.getLogger("wootric_pipeline.command")

if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[str], *, wait: bool) -> None:
        while True:
            try:
                # Waits for ten seconds at most.
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
                return
            except OSError:
                if not wait:
                    raise
else:
    import fcntl

    def _lock(file: IO[str], *, wait: bool) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def exclusive_run(pipeline_name: str, pipelines_folder: str | Path, *, wait: bool = False) -> Iterator[None]:
    """Keeps other processes from running the pipeline meanwhile.

    Args:
        pipeline_name: Which.
        pipelines_folder: Where dlt keeps the working folders of pipelines.
        wait: Wait for another run to end, instead of giving up.

    Raises:
        ConfigurationError: Another run is under way.
        OSError: The lock file cannot be made.
    """
    path = Path(pipelines_folder, f"{pipeline_name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    # Left in place: one that was removed would not keep off those who have already opened it.
    with path.open("a", encoding="utf-8") as file:
        try:
            _lock(file, wait=False)
        except (BlockingIOError, PermissionError) as error:
            if not wait:
                raise ConfigurationError(
                    f"Another run of {pipeline_name} is under way; run again when it has ended, or with --wait."
                ) from error
            log.info("Waits for another run of %s to end.", pipeline_name)
            _lock(file, wait=True)
        yield
