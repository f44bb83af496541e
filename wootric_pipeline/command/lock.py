"""One run of a pipeline at a time on one machine, since its working folder is one."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ..destinations.file_lock import try_lock
from ..destinations.locks import take


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
        under_way = f"Another run of {pipeline_name} is under way; run again when it has ended, or with --wait."
        take(partial(try_lock, file), wait=wait, what=f"another run of {pipeline_name} to end", otherwise=under_way)
        yield
