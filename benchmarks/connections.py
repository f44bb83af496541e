"""Measures what more connections bring: first loads into DuckDB where each answer takes 100 ms, and under a rate limit.

Run it with `python benchmarks/connections.py`. In the first table the API has no limit; the best possible is that the
connections share the requests, which follow one another without a pause. In the second it lets 100 requests through in
five seconds: there, more connections must not ask for more. Medians; the numbers of connections take turns.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.processes import Cost, machine, median, print_table
from benchmarks.sandbox_process import SandboxProcess, sandbox_process
from benchmarks.script import run_script

ROWS = 20_000
LATENCY_MS = 100.0
CONNECTIONS = (1, 2, 4, 8)
LIMIT, WINDOW_SECONDS = 100, 5


def first_load(sandbox: SandboxProcess, connections: int) -> tuple[Cost, int]:
    """The cost of a first load, and its requests."""
    before = sandbox.requests()
    with tempfile.TemporaryDirectory() as folder:
        settings = {"SOURCES__WOOTRIC__CONNECTIONS": str(connections)}
        cost = run_script(sandbox.url, Path(folder), settings=settings).cost
    return cost, sandbox.requests() - before


def first_loads(sandbox: SandboxProcess, runs: int) -> list[tuple[Cost, int]]:
    """By number of connections: the medians of some first loads, and the most requests one took."""
    loads: list[list[tuple[Cost, int]]] = [[] for _ in CONNECTIONS]
    for _ in range(runs):
        for connections, each in zip(CONNECTIONS, loads, strict=True):
            each.append(first_load(sandbox, connections))
    return [(median([cost for cost, _ in each]), max(requests for _, requests in each)) for each in loads]


def lines(loads: Sequence[tuple[Cost, int]], latency_ms: float) -> list[list[object]]:
    """Those of a table."""
    alone = loads[0][0].seconds
    least = [requests / count * latency_ms / 1000 for count, (_, requests) in zip(CONNECTIONS, loads, strict=True)]
    return [
        [count, requests, f"{cost.seconds:.1f}", f"{alone / cost.seconds:.1f}", f"{cost.seconds / best:.2f}"]
        for count, (cost, requests), best in zip(CONNECTIONS, loads, least, strict=True)
    ]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with sandbox_process("uniform", options.rows, latency_ms=LATENCY_MS) as sandbox:
        unlimited = first_loads(sandbox, options.runs)
    with sandbox_process(
        "uniform", options.rows, latency_ms=LATENCY_MS, rate_limit=LIMIT, window_seconds=WINDOW_SECONDS
    ) as sandbox:
        limited = first_loads(sandbox, options.runs)
    print(f"{machine()}\n\n{options.rows:,} rows, {LATENCY_MS:.0f} ms an answer, medians of {options.runs}:\n")
    head = ["connections", "requests", "seconds", "times as fast as one"]
    print_table([*head, "times the best possible"], lines(unlimited, LATENCY_MS))
    print(f"The same with {LIMIT} requests in {WINDOW_SECONDS} seconds:\n")
    print_table(head, [line[:-1] for line in lines(limited, LATENCY_MS)])


if __name__ == "__main__":
    main()
