"""Keeps loaders of one dataset apart, where the destination has locks."""

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dlt import Pipeline

from ..dlt_internals import raise_if_signalled, staging_dataset
from .layout import kind_of

LOCK_POLL_SECONDS = 0.2

log = logging.getLogger("wootric_pipeline.destinations")


@contextmanager
def exclusive(pipeline: Pipeline) -> Iterator[None]:
    """Keeps other loaders away from a dataset, on PostgreSQL; elsewhere it does nothing.

    dlt copies rows into a staging dataset that all loaders share, and merges them from there: one would empty it
    between the copy and the merge of another, and both would call that success (dlt 1.31). The server takes the lock
    back when the connection ends, however that comes about.
    """
    if kind_of(pipeline) != "postgres":
        yield
        return
    with pipeline.sql_client() as client:
        name = staging_dataset(client).encode()
        key = int.from_bytes(hashlib.sha256(name).digest()[:8], "big", signed=True)
        waiting = False
        while client.execute_sql(f"SELECT pg_try_advisory_lock({key})") != [(True,)]:
            if not waiting:
                log.info("Waits for another loader of the dataset %s.", pipeline.dataset_name)
                waiting = True
            # A statement that waits could not be interrupted.
            raise_if_signalled()
            time.sleep(LOCK_POLL_SECONDS)
        yield
