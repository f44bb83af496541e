"""Measures what more connections bring: first loads into DuckDB where each answer takes 100 ms, and under a rate limit.

First the API has no limit. Then it lets 100 requests through in five seconds: there, more connections must not ask for
more. Medians; the numbers of connections take turns.
"""

from functools import partial
from typing import Any

from benchmarks.accounts import uniform
from benchmarks.processes import Cost, arguments, machine, print_table
from benchmarks.programs import first_loads, run_script
from benchmarks.sandbox_process import sandbox_process

CONNECTIONS = (1, 2, 4, 8)


def measured(rows: int, runs: int, **behaviour: Any) -> list[tuple[Cost, int]]:
    """By number of connections: the cost of a first load, and its requests."""
    loads = [partial(run_script, SOURCES__WOOTRIC__CONNECTIONS=str(count)) for count in CONNECTIONS]
    with sandbox_process(uniform, rows, latency_seconds=0.1, **behaviour) as sandbox:
        return first_loads(sandbox, runs, loads)


def main() -> None:
    """Measures and prints."""
    options = arguments(__doc__, rows=20_000, runs=5).parse_args()
    unlimited = measured(options.rows, options.runs)
    limited = measured(options.rows, options.runs, rate_limit=100, rate_window_seconds=5)
    print(f"{machine()}\n\n{options.rows:,} rows, 100 ms an answer, medians of {options.runs}:\n")
    print_table(
        ["connections", "seconds", "requests", "seconds with a limit", "requests with a limit"],
        [
            [count, *(figure for cost, requests in each for figure in (cost.seconds, requests))]
            for count, *each in zip(CONNECTIONS, unlimited, limited, strict=True)
        ],
    )


if __name__ == "__main__":
    main()
