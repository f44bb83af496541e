"""Prints how many requests a table takes, against the least possible, for accounts of several sizes and shapes.

The reading alone, over rows in memory: `python benchmarks/budget.py [ROWS ...]`, by default 20000 and 1000000.
"""

import random
import sys
from math import ceil
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.api_model import Model, account_of
from wootric_pipeline.account import SECOND, Account
from wootric_pipeline.sandbox import Behaviour
from wootric_pipeline.scan import Span

YEAR_SECONDS = 365 * 86_400
HISTORY_SECONDS = 4 * YEAR_SECONDS
END = 1_700_000_000
BURST_SHARE_OF_ROWS, BURST_SHARE_OF_TIME = 0.9, 0.01
LOOKBACK_SECONDS = 300
CHANGED = (1, 60, 500, 2_000)
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


def line(what: str, least: int, taken: int) -> str:
    """One of the table."""
    return f"| {what} | {least:,} | {taken:,} | {taken / max(least, 1):.3f} |"


def first_loads(rows: int) -> None:
    """Prints what first loads take, with and without parts, and along creation."""
    for bursty in (False, True):
        shape = "bursty" if bursty else "uniform"
        of = account(rows, bursty=bursty)
        least = ceil(rows / 50)
        print(line(f"{rows:,} rows, {shape}", least, requests(Model(of))))
        print(line("the same, in parts at once", least, requests(Model(of, order=random.Random(1)))))
        print(line("the same, along `created_at`", least, requests(Model(of, behaviour=FALLBACK))))


def increments() -> None:
    """Prints what later loads take, by how many rows have changed, and in which order."""
    for in_order in (False, True):
        for changed in (0, *CHANGED) if not in_order else CHANGED[2:]:
            of = account(20_000, bursty=False)
            since = max(row["updated_at"] for row in of.rows["responses"].values()) // SECOND - LOOKBACK_SECONDS
            chosen = random.Random(changed).sample(range(20_000), changed)
            for index, row_id in enumerate(sorted(chosen) if in_order else chosen):
                of.change("responses", row_id, (END + 1_000 + index) * SECOND)
            order = ", in the order of their ids" if in_order else ""
            print(
                line(f"{changed:,} of 20,000 rows changed{order}", ceil(changed / 50), requests(Model(of), Span(since)))
            )


def main() -> None:
    """Prints the table."""
    print("| one table | least | requests | ratio |\n|---|---|---|---|")
    for rows in map(int, sys.argv[1:] or ("20000", "1000000")):
        first_loads(rows)
    increments()
    print("\nOne request of a first load asks whether the list knows the `updated` filter.")


if __name__ == "__main__":
    main()
