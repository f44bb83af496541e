"""Serves a demo account to any client: `python -m wootric_pipeline.sandbox --help`."""

import argparse
import math
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import NoReturn
from zoneinfo import ZoneInfo

from ..tables import OVERVIEWS, TABLES
from . import CLIENT_ID, Behaviour, DemoAccount, Sandbox


class _Arguments(argparse.ArgumentParser):
    """Tells a mistake in one sentence, without the list of options."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message[:1].upper()}{message[1:]}; see --help.\n")


def _number(kind: Callable[[str], float], least: float, most: float = math.inf) -> Callable[[str], float]:
    def number(word: str) -> float:
        with suppress(ValueError):
            if least <= (value := kind(word)) <= most:
                return value
        raise argparse.ArgumentTypeError(
            f"must be a number from {least} to {most}" if most < math.inf else f"must be a number, {least} or more"
        )

    return number


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise argparse.ArgumentTypeError(f"there is no time zone {name!r}") from None
    return name


def _some(known: Collection[str]) -> Callable[[str], frozenset[str]]:
    def some(names: str) -> frozenset[str]:
        chosen = frozenset(name for name in names.split(",") if name)
        if unknown := chosen - set(known):
            raise argparse.ArgumentTypeError(f"there is no table {min(unknown)!r}, only {', '.join(known)}")
        return chosen

    return some


SWITCHES = {
    "ignores-dates": "overviews answer for days as if they were asked without",
    "refuses-bare-dates": "days without quotes are refused",
    "refuses-quoted-dates": "days in quotes are refused",
    "counts-excluded": "nps_summary counts excluded responses, too",
    "counts-completed-only": "nps_summary counts complete responses only",
    "leaves-last-day-out": "the last day of a range does not belong to it",
    "days-in-utc": "days of overviews are those of UTC",
}
"""What is uncertain about overviews, each an option."""


def _arguments() -> argparse.ArgumentParser:
    parser = _Arguments(prog="python -m wootric_pipeline.sandbox", description=main.__doc__)
    count = _number(int, 0)
    parser.add_argument("--port", type=_number(int, 0, 65_535), default=8025)
    for table, rows in (("end-users", 5_000), ("responses", 10_000), ("declines", 5_000)):
        parser.add_argument(f"--{table}", type=count, default=rows, metavar="N")
    parser.add_argument("--history-ends-at", type=count, default=int(time.time()), metavar="UNIX_SECONDS")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--time-zone", type=_time_zone, default="America/Los_Angeles")
    parser.add_argument(
        "--ignore-updated",
        type=_some(TABLES),
        default="",
        metavar="TABLES",
        help="tables on which the updated filter is ignored",
    )
    parser.add_argument(
        "--ignore-sort-key",
        type=_some(TABLES),
        default="",
        metavar="TABLES",
        help="tables on which sort_key is ignored",
    )
    parser.add_argument(
        "--refuse", type=_some(OVERVIEWS), default="", metavar="TABLES", help="overviews that are answered with 403"
    )
    for switch, what in SWITCHES.items():
        parser.add_argument(f"--{switch}", action="store_true", help=what)
    parser.add_argument("--rate-limit", type=count, metavar="N", help="requests a minute")
    parser.add_argument("--token-seconds", type=count, default=7200)
    parser.add_argument("--latency-ms", type=_number(float, 0), default=0.0)
    for fault in ("error", "truncation", "reset"):
        parser.add_argument(f"--{fault}-rate", type=_number(float, 0, 1), default=0.0, metavar="SHARE")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Serves a demo account until interrupted."""
    parser = _arguments()
    options = parser.parse_args(arguments)
    account = DemoAccount(
        options.history_ends_at, options.end_users, options.responses, options.declines, options.seed, options.time_zone
    )
    behaviour = Behaviour(
        ignores_updated=options.ignore_updated,
        ignores_sort_key=options.ignore_sort_key,
        refuses=options.refuse,
        ignores_dates=options.ignores_dates,
        dates_bare=not options.refuses_bare_dates,
        dates_quoted=not options.refuses_quoted_dates,
        counts_excluded=options.counts_excluded,
        counts_incomplete=not options.counts_completed_only,
        counts_last_day=not options.leaves_last_day_out,
        days_in_utc=options.days_in_utc,
        rate_limit=options.rate_limit,
        token_seconds=options.token_seconds,
        latency_seconds=options.latency_ms / 1000,
        error_rate=options.error_rate,
        truncation_rate=options.truncation_rate,
        reset_rate=options.reset_rate,
        before_answer=lambda _table: account.advance(time.time()),
    )
    try:
        sandbox = Sandbox(account, behaviour, options.port)
    except OSError as error:
        parser.error(f"port {options.port} cannot be used: {error.strerror}")
    print(
        f"Serving the sandbox at {sandbox.url}; sign in with {CLIENT_ID} as client_id and as client_secret; "
        "stop it with Ctrl-C.",
        flush=True,
    )
    with suppress(KeyboardInterrupt):
        sandbox.serve_forever()


if __name__ == "__main__":
    main()
