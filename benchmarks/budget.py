"""Prints how many requests a table takes, against the least possible, for accounts of several sizes and shapes.

The reading alone, over rows in memory: `python -m benchmarks.budget [ROWS ...]`, by default 20000 and 1000000.
Ends with exit code 1 if more are taken than may be: `RATIO_MAX` times the least and `MORE_MAX`; `UNCHANGED_MAX` where
nothing has changed.
"""

import random
import sys
from collections.abc import Iterator
from math import ceil, floor

from tests.api_model import Model, account_of
from wootric_pipeline.reading.span import Span
from wootric_pipeline.sandbox import SECOND, Account, Behaviour

YEAR_SECONDS = 365 * 86_400
HISTORY_SECONDS = 4 * YEAR_SECONDS
END = 1_700_000_000
BURST_SHARE_OF_ROWS, BURST_SHARE_OF_TIME = 0.9, 0.01
LOOKBACK_SECONDS = 300
CHANGED = (1, 60, 500, 2_000, 4_800, 10_000)
RATIO_MAX, MORE_MAX, UNCHANGED_MAX = 1.04, 4, 2
FALLBACK = Behaviour(ignores_updated=frozenset({"responses"}))


def account(rows: int, *, bursty: bool) -> Account:
    """Responses of four years, a fifth of them updated later than they were created."""
    rnd = random.Random(rows)
    burst = int(HISTORY_SECONDS * BURST_SHARE_OF_TIME)
    made = []
    for index in range(rows):
        in_burst = bursty and rnd.random() < BURST_SHARE_OF_ROWS
        age = (HISTORY_SECONDS // 2 + rnd.randrange(burst)) if in_burst else rnd.randrange(HISTORY_SECONDS)
        created = END - 1 - age
        updated = rnd.randint(created, END - 1) if rnd.random() < 0.2 else created
        made.append({"id": index, "created_at": created * SECOND, "updated_at": updated * SECOND})
    return account_of(made)


def requests(model: Model, span: Span | None = None) -> int:
    """How many a reading takes."""
    model.read(span, started_at=END + 100_000)
    return len(model.queries)


def line(what: str, least: int, taken: int, most: float) -> bool:
    """Prints one of the table; whether no more was taken than may be."""
    print(f"| {what} | {least:,} | {taken:,} | {taken / max(least, 1):.3f} | {floor(most):,} |")
    return taken <= most


def first_loads(rows: int) -> Iterator[bool]:
    """Prints what first loads take, with and without parts, and along creation."""
    least = ceil(rows / 50)
    for bursty in (False, True):
        of = account(rows, bursty=bursty)
        most = RATIO_MAX * least + MORE_MAX
        yield line(f"{rows:,} rows, {'bursty' if bursty else 'uniform'}", least, requests(Model(of)), most)
        yield line("the same, in parts at once", least, requests(Model(of, order=random.Random(1))), most)
        along_creation = requests(Model(of, behaviour=FALLBACK))
        yield line("the same, along `created_at`", least, along_creation, most)


def increments() -> Iterator[bool]:
    """Prints what later loads take, by how many rows have changed, and in which order."""
    for in_order in (False, True):
        for changed in (0, *CHANGED) if not in_order else CHANGED[2:]:
            of = account(20_000, bursty=False)
            since = max(row["updated_at"] for row in of.rows["responses"].values()) // SECOND - LOOKBACK_SECONDS
            chosen = random.Random(changed).sample(range(20_000), changed)
            for index, row_id in enumerate(sorted(chosen) if in_order else chosen):
                of.change("responses", row_id, (END + 1_000 + index) * SECOND)
            order = ", in the order of their ids" if in_order else ""
            least = ceil(changed / 50)
            for what, model in (
                (f"{changed:,} of 20,000 rows changed{order}", Model(of)),
                ("the same, in parts at once", Model(of, order=random.Random(1))),
            ):
                taken = requests(model, Span(since, known_until=since + LOOKBACK_SECONDS))
                yield line(what, least, taken, RATIO_MAX * least + MORE_MAX if changed else UNCHANGED_MAX)


def main() -> int:
    """Prints the table; the exit code."""
    print("| one table | least | requests | ratio | at most |\n|---|---|---|---|---|")
    kept = [each for rows in map(int, sys.argv[1:] or ("20000", "1000000")) for each in first_loads(rows)]
    return 0 if all([*kept, *increments()]) else 1


if __name__ == "__main__":
    sys.exit(main())
