"""A sandbox in a process of its own, so that what it costs is not counted as its clients'."""

import gc
import random
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

from benchmarks.accounts import HISTORY_SECONDS, MakeAccount
from tests.conftest import access
from tests.script import expected
from wootric_pipeline.sandbox import SECOND, Behaviour, Sandbox

Held = dict[str, dict[int, int]]
"""By table and id: the second in which the row was updated, UNIX time."""


@dataclass(frozen=True)
class SandboxProcess:
    """What a benchmark knows of its sandbox.

    Attributes:
        access: The settings `base_url`, `client_id` and `client_secret`.
        history_begins: UNIX seconds.
    """

    access: Mapping[str, str]
    history_begins: int
    _process: ProcessPoolExecutor

    def requests(self) -> int:
        """How many arrived so far."""
        return self._process.submit(_requests).result()

    def held(self) -> Held:
        """What its account holds."""
        return self._process.submit(_held).result()

    def rest(self) -> None:
        """Makes it change no more rows."""
        self._process.submit(_rest).result()


@contextmanager
def sandbox_process(account: MakeAccount, rows: int, changes: int = 0, **behaviour: Any) -> Iterator[SandboxProcess]:
    """Starts a sandbox that is gone in the end.

    Args:
        account: One of `accounts`.
        rows: How many it holds.
        changes: How many of them are updated while they are read.
        behaviour: As `Behaviour` takes it.
    """
    ends_at = int(time.time())
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        served = process.submit(_serve, account, rows, ends_at, changes, Behaviour(**behaviour)).result()
        yield SandboxProcess(served, ends_at - HISTORY_SECONDS, process)


# What follows runs in the sandbox's process, which serves one of them.
_sandbox: Sandbox


def _serve(account: MakeAccount, rows: int, ends_at: int, changes: int, behaviour: Behaviour) -> dict[str, str]:
    global _sandbox
    _sandbox = Sandbox(account(rows, ends_at), behaviour).__enter__()
    behaviour.before_answer = _changing(_sandbox, changes)
    # Of a million rows none is garbage.
    gc.freeze()
    return access(_sandbox)


def _requests() -> int:
    return len(_sandbox.requests)


def _held() -> Held:
    with _sandbox.account.lock:
        return {table: expected(_sandbox.account, table) for table in _sandbox.account.rows}


def _rest() -> None:
    _sandbox.behaviour.before_answer = None


def _changing(sandbox: Sandbox, changes: int) -> Callable[[str], None]:
    """With each of the first so many requests for a table, a second passes and one of its rows is updated in it.

    So rows change once a second as they do with the real service, which answers once a second or so.
    """
    chance = random.Random(changes)
    left = iter(range(changes))
    ids = {table: list(rows) for table, rows in sandbox.account.rows.items()}

    def change(table: str) -> None:
        with sandbox.account.lock:
            if next(left, None) is not None:
                sandbox.behaviour.clock_ahead_seconds += 1
                sandbox.account.change(table, chance.choice(ids[table]), int(sandbox.now() * SECOND))

    return change
