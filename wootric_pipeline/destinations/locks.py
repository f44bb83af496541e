"""Keeps loaders of one dataset apart, where its destination has locks.

dlt copies rows into a staging dataset that all loaders share, and merges them from there: one would empty it between
the copy and the merge of another, and both would call that success (dlt 1.31). And what was read before another loader
has loaded newer versions must not be loaded after them: so a dataset is locked from before the reading.
"""

import hashlib
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from dlt import Pipeline

from ..dlt_internals import (
    SqlConnection,
    dialect,
    is_open_elsewhere,
    local_path,
    location,
    opening_patiently,
    raise_if_signalled,
    sql_client,
    staging_dataset,
)
from ..errors import ConfigurationError
from .file_lock import try_lock
from .layout import kind_of

LOCK_POLL_SECONDS = 0.2
OPEN_ELSEWHERE_SECONDS_MAX = 10.0
"""How long the command waits at least, with or without `--wait`, for a DuckDB file that another process has open."""
SERVERS = ("postgres", "sqlalchemy")
"""Kinds of destinations whose server may keep a lock."""
KEPT_OPEN_BYTES_MAX = 20_000_000
"""Of a DuckDB file: what DuckDB has read of it stays in memory while it is open."""
MYSQL_DIALECTS = ("mysql", "mariadb")
MYSQL_IDLE_SECONDS_MAX = 2_147_483
"""The longest that MySQL lets a connection be idle on every system."""

LASTING = """
SELECT set_config(name, value, true) FROM pg_settings JOIN (VALUES
    ('idle_in_transaction_session_timeout', '0'), ('transaction_timeout', '0'),
    ('tcp_keepalives_idle', '60'), ('tcp_keepalives_interval', '15'), ('tcp_keepalives_count', '4')
) AS wanted (name, value) USING (name)
"""
"""Has a transaction of PostgreSQL's last however long a run takes, and not much longer than a machine that is gone."""

Attempt = Callable[[], bool]
"""Tries to take a lock, and tells whether it is had then."""


class _Held(NamedTuple):
    """A lock of this process, which file locks do not keep apart from others of the process.

    Attributes:
        owner: The working folder of the pipeline that has it.
        destination: Of that pipeline.
        dataset: Its name.
        lasts: Whether it is not lost, with a connection for example.
    """

    owner: str
    destination: object
    dataset: str
    lasts: Callable[[], bool] = lambda: True

    def is_of(self, pipeline: Pipeline) -> bool:
        """Whether a pipeline has it, for the dataset into which it loads by now."""
        is_there = self.destination is pipeline.destination and self.dataset == pipeline.dataset_name
        return is_there and self.owner == os.path.realpath(pipeline.working_dir)


_held: dict[str, _Held] = {}
"""By what is locked."""
if hasattr(os, "register_at_fork"):
    # A child has none of them.
    os.register_at_fork(after_in_child=_held.clear)

log = logging.getLogger("wootric_pipeline.destinations")


@contextmanager
def exclusive(pipeline: Pipeline, *, wait: bool) -> Iterator[None]:
    """Keeps other loaders away from a dataset, in this process and elsewhere.

    On PostgreSQL, MySQL and MariaDB the server keeps the lock, and takes it back when the connection ends, however that
    comes about; for DuckDB, SQLite and files on a disk it is the operating system. Elsewhere nothing is locked. What
    the pipeline has locked already stays so.

    Args:
        pipeline: Whose dataset.
        wait: Wait until the other loader has ended, instead of giving up.

    Raises:
        ConfigurationError: Another loader is at work.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    # Before it is worked out what to lock, for which dlt has to resolve all settings of the destination.
    known = next((held for held in list(_held.values()) if held.is_of(pipeline)), None)
    if known and known.lasts():
        yield
        return
    place = _place(pipeline)
    path = place.lock if place else None
    if place is None and kind_of(pipeline) not in SERVERS:
        yield
        return
    locked = str(path or location(pipeline))
    mine = _Held(os.path.realpath(pipeline.working_dir), pipeline.destination, pipeline.dataset_name)
    # Asked a second time, a lost one would be had for a moment, by a connection that dlt has opened meanwhile.
    if (held := _held.get(locked)) and held is not known and held.owner == mine.owner and held.lasts():
        yield
        return
    with ExitStack() as stack:
        what = f"another run to end that loads into the dataset {pipeline.dataset_name}"
        otherwise = (
            f"Another run loads into the dataset {pipeline.dataset_name}; run again when it has ended, or with --wait."
        )
        take(lambda: _held.setdefault(locked, mine).owner == mine.owner, wait=wait, what=what, otherwise=otherwise)
        stack.callback(_held.pop, locked, None)
        attempts = _of_file(place, stack) if place else _of_server(pipeline, stack)
        for attempt in attempts:
            take(attempt, wait=wait, what=what, otherwise=otherwise)
        if attempts and not path:
            _held[locked] = mine._replace(lasts=partial(_lasts, attempts))
        yield


@contextmanager
def kept_open(pipeline: Pipeline, *, wait: bool) -> Iterator[None]:
    """Waits until a DuckDB file is open in no other process, and keeps it open, so that none can open it meanwhile.

    Elsewhere, or if it is not to wait, it does nothing: a file that is open elsewhere makes loading fail.
    """
    if not wait or kind_of(pipeline) != "duckdb":
        yield
        return
    with ExitStack() as stack:
        take(partial(_opened, pipeline, stack), wait=wait, what="the DuckDB file to be closed in another process")
        yield


@contextmanager
def open_throughout(pipeline: Pipeline) -> Iterator[None]:
    """Keeps a small DuckDB file open while dlt loads. Elsewhere it does nothing.

    Each job of dlt's has a connection of its own, and DuckDB opens the file anew, and writes into it all that is new,
    whenever the process has none left. Of a large file too much would stay in memory until then.

    Raises:
        Exception: DuckDB cannot open it.
    """
    with ExitStack() as stack:
        if kind_of(pipeline) == "duckdb" and _is_small(local_path(pipeline.destination_client())):
            _client(pipeline, stack)
        yield


def patient() -> AbstractContextManager[None]:
    """Waits for some seconds wherever a DuckDB file is open in another process: whoever reads it is soon done."""
    return opening_patiently(OPEN_ELSEWHERE_SECONDS_MAX, LOCK_POLL_SECONDS)


def _is_small(file: str | None) -> bool:
    """Whether a file has few bytes, or is not there yet."""
    with suppress(FileNotFoundError):
        return file is not None and Path(file).stat().st_size <= KEPT_OPEN_BYTES_MAX
    return True


def _opened(pipeline: Pipeline, stack: ExitStack) -> bool:
    try:
        _client(pipeline, stack)
    except Exception as error:
        if is_open_elsewhere(error):
            return False
        raise
    return True


def take(attempt: Attempt, *, wait: bool, what: str, otherwise: str = "") -> None:
    """Takes a lock.

    Args:
        attempt: Tries it.
        wait: Try again until it is had.
        what: That it waits for, in words.
        otherwise: The sentence for the user if it is not to wait.

    Raises:
        ConfigurationError: It is not to wait, and the lock is not to be had.
    """
    waiting = False
    while not attempt():
        if not wait:
            raise ConfigurationError(otherwise)
        if not waiting:
            log.info("Waits for %s.", what)
            waiting = True
        # A call that waits by itself could not be interrupted.
        raise_if_signalled()
        time.sleep(LOCK_POLL_SECONDS)


class _Place(NamedTuple):
    """Where a dataset lies on this machine's disks, and the file beside it whose lock stands for it."""

    data: Path
    lock: Path


def _place(pipeline: Pipeline) -> _Place | None:
    client = pipeline.destination_client()
    path = local_path(client)
    if path is None:
        return None
    data = os.path.realpath(path)
    # A folder is that of the dataset, and in a database the dataset has a name.
    sql = sql_client(client)
    return _Place(Path(data), Path(data + (f".{sql.sql_client.dataset_name}.lock" if sql else ".lock")))


def _of_file(place: _Place, stack: ExitStack) -> list[Attempt]:
    """Tries the lock of a file, which all who may write the data may open.

    Raises:
        ConfigurationError: The data can be written, and the file cannot.
    """
    try:
        place.lock.parent.mkdir(parents=True, exist_ok=True)
        # Left in place: one that was removed would not keep off those who have already opened it.
        file = stack.enter_context(place.lock.open("a", encoding="utf-8"))
    except OSError as error:
        if os.access(place.data if place.data.exists() else place.data.parent, os.W_OK):
            raise ConfigurationError(
                f"{place.lock} cannot be opened for writing, so that nothing would keep other runs off the dataset; "
                "give it the rights that the data has."
            ) from error
        # Then nothing can be loaded there either, and dlt says why.
        log.info("The lock file of the dataset cannot be made: %s.", type(error).__name__)
        return []
    with suppress(OSError):
        place.lock.chmod(stat.S_IMODE(place.lock.stat().st_mode) | place.data.stat().st_mode & 0o666)
    return [partial(try_lock, file)]


def _of_server(pipeline: Pipeline, stack: ExitStack) -> list[Attempt]:
    client = _client(pipeline, stack)
    names = sorted({client.dataset_name, staging_dataset(client)})
    if kind_of(pipeline) == "postgres":
        # Of the transaction, since a pool between here and the server may give each its own connection.
        stack.callback(_release, client, "ROLLBACK")
        client.execute_sql("BEGIN")
        client.execute_sql(LASTING)
        return [partial(_answers_true, client, f"SELECT pg_try_advisory_xact_lock({_number(each)})") for each in names]
    if dialect(client) in MYSQL_DIALECTS:
        client.execute_sql(f"SET SESSION wait_timeout = {MYSQL_IDLE_SECONDS_MAX}")
        stack.callback(_release, client, "DO RELEASE_ALL_LOCKS()")
        return [partial(_answers_true, client, f"SELECT GET_LOCK('wootric-{_number(each)}', 0)") for each in names]
    return []


def _client(pipeline: Pipeline, stack: ExitStack) -> SqlConnection:
    client: Any = pipeline.sql_client()
    stack.enter_context(client)
    connected: SqlConnection = client
    return connected


def _lasts(attempts: Sequence[Attempt]) -> bool:
    """Whether locks of a server's are not lost: who has one gets it again at once, who has no connection does not."""
    try:
        return all(attempt() for attempt in attempts)
    except Exception as error:
        log.warning("The lock of the dataset was lost with its connection (%s); takes it again.", type(error).__name__)
        return False


def _answers_true(client: SqlConnection, query: str) -> bool:
    ((answer,),) = client.execute_sql(query) or [(False,)]
    return bool(answer)


def _release(client: SqlConnection, statement: str) -> None:
    # Were the connection gone, the lock would be, too; otherwise it goes back to a pool, or the server, which is not
    # waited for, ends it some moments later: the next run would find the lock taken.
    with suppress(Exception):
        client.execute_sql(statement)


def _number(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
