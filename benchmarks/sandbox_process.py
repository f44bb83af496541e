"""A sandbox in a process of its own, so that what it costs is not counted as its clients'.

Started by `sandbox_process(...)` as `sandbox_process.py ACCOUNT ROWS [options]`. The first line it prints is its
address; each line it reads names one of `ANSWERS`, which it prints as a line of JSON. It ends with its standard input.
"""

import argparse
import gc
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parent.parent))

from wootric_pipeline.sandbox import SECOND, Account, Behaviour, DemoAccount, Sandbox
from wootric_pipeline.sandbox.demo_account import HISTORY_YEARS, YEAR_SECONDS

Held = dict[str, dict[int, int]]
"""By table and id: the second in which the row was updated, UNIX time."""

TIED_ROWS = 400
MANY_TIED_ROWS = 4_000


class SandboxProcess:
    """What a benchmark knows of its sandbox.

    Attributes:
        url: Its address.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.url = self._line()

    def requests(self) -> int:
        """How many arrived so far."""
        return cast(int, self._ask("requests"))

    def held(self) -> Held:
        """What its account holds."""
        answer: dict[str, dict[str, int]] = self._ask("held")
        return {table: {int(row_id): second for row_id, second in rows.items()} for table, rows in answer.items()}

    def rest(self) -> None:
        """Makes it change no more rows."""
        self._ask("rest")

    def _ask(self, what: str) -> Any:
        assert self._process.stdin is not None
        print(what, file=self._process.stdin, flush=True)
        return json.loads(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def sandbox_process(account: str, rows: int, **options: float | None) -> Iterator[SandboxProcess]:
    """Starts a sandbox that is gone in the end.

    Args:
        account: The name of one of `ACCOUNTS`.
        rows: How many it holds.
        options: Of the command line, as in `latency_ms=100`.
    """
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items() if value is not None]
    command = [sys.executable, __file__, account, str(rows), *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield SandboxProcess(process)
        finally:
            process.kill()


def demo(rows: int, ends_at: int) -> Account:
    """The demo account: a quarter of the rows are end users, a half responses, a quarter declines."""
    return DemoAccount(ends_at, end_users=rows // 4, responses=rows // 2, declines=rows // 4)


def uniform(rows: int, ends_at: int) -> Account:
    """The demo account's rows evenly over its years: of a table, no two are created or updated in the same second.

    Every third row was updated some weeks after it was created: a twentieth of the rows later.
    """
    account = demo(rows, ends_at)
    begins = ends_at - HISTORY_YEARS * YEAR_SECONDS
    for table, by_id in account.rows.items():
        later = len(by_id) // 20
        step = (ends_at - begins) / (len(by_id) + later + 1)
        for index, row in enumerate(by_id.values()):
            hidden = index * 7_919 % SECOND
            row["created_at"] = row["updated_at"] = int(begins + index * step) * SECOND + hidden
            if index % 3 == 0:
                row["updated_at"] = int(begins + (index + later + 0.5) * step) * SECOND + hidden
        account.fill(table, ())
    return account


def imported(rows: int, ends_at: int) -> Account:
    """The same, but 400 responses were imported at once: created and updated in one second, amid the others."""
    account = uniform(rows, ends_at)
    responses = list(account.rows["responses"].values())
    middle = len(responses) // 2
    for row in responses[middle : middle + TIED_ROWS]:
        row["created_at"] = row["updated_at"] = responses[middle]["created_at"]
    account.fill("responses", ())
    return account


def updated_at_once(rows: int, ends_at: int) -> Account:
    """The same, but 4,000 end users were updated by one statement, in one second, amid the others."""
    account = uniform(rows, ends_at)
    users = list(account.rows["end_users"].values())
    for row in users[:MANY_TIED_ROWS]:
        row["updated_at"] = (ends_at - YEAR_SECONDS // 2) * SECOND
    account.fill("end_users", ())
    return account


ACCOUNTS: dict[str, Callable[[int, int], Account]] = {
    "demo": demo,
    "uniform": uniform,
    "imported": imported,
    "updated-at-once": updated_at_once,
}


def changing(sandbox: Sandbox, changes: int) -> Callable[[str], None]:
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


def requests(sandbox: Sandbox) -> int:
    """How many arrived so far."""
    return len(sandbox.requests)


def held(sandbox: Sandbox) -> Held:
    """What the account holds."""
    with sandbox.account.lock:
        return {
            table: {row_id: row["updated_at"] // SECOND for row_id, row in rows.items()}
            for table, rows in sandbox.account.rows.items()
        }


def rest(sandbox: Sandbox) -> None:
    """Changes no more rows."""
    sandbox.behaviour.before_answer = None


ANSWERS: dict[str, Callable[[Sandbox], Any]] = {"requests": requests, "held": held, "rest": rest}


def main() -> None:
    """Serves until its standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("account", choices=ACCOUNTS)
    parser.add_argument("rows", type=int)
    parser.add_argument("--latency-ms", type=float, default=0.0)
    parser.add_argument("--rate-limit", type=int, help="requests a minute, or in other windows")
    parser.add_argument("--window-seconds", type=float, default=60.0)
    parser.add_argument("--changes", type=int, default=0, help="rows updated while they are read")
    options = parser.parse_args()
    account = ACCOUNTS[options.account](options.rows, int(time.time()))
    behaviour = Behaviour(
        rate_limit=options.rate_limit,
        rate_window_seconds=options.window_seconds,
        latency_seconds=options.latency_ms / 1000,
    )
    # Of a million rows none is garbage.
    gc.freeze()
    with Sandbox(account, behaviour) as sandbox:
        behaviour.before_answer = changing(sandbox, options.changes)
        print(sandbox.url, flush=True)
        for line in sys.stdin:
            print(json.dumps(ANSWERS[line.strip()](sandbox)), flush=True)


if __name__ == "__main__":
    main()
