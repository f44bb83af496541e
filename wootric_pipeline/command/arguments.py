"""The command line."""

import argparse
from collections.abc import Sequence
from math import inf
from typing import NoReturn

from ..accounts import ALL, Account, named, names
from ..errors import ConfigurationError
from ..tables import ALL_TABLES, DEFAULT_TABLES
from ..version import VERSION
from .progress import COLLECTORS
from .report_page import comments_number, day

OF_LISTS = ("check", "full_refresh", "start_date", "end_date", "exclude_columns")
"""Options about how lists are loaded."""
DESCRIPTION = (
    "Loads a Wootric account into DuckDB, or wherever dlt's settings say. The word init, in place of all options, asks "
    "for what a first run needs."
)


class Arguments(argparse.ArgumentParser):
    """Tells a mistake in one sentence, without the list of options."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with exit code 2."""
        raise ConfigurationError(f"{message[:1].upper()}{message[1:]}; see --help.")


def arguments(program: str) -> Arguments:
    """The parser of the command line.

    Args:
        program: How the command was called.
    """
    parser = Arguments(prog=program, description=DESCRIPTION, allow_abbrev=False)
    _add_what(parser)
    _add_where(parser)
    parser.add_argument("--check", action="store_true", help="sign in, read a row of each table, connect; load nothing")
    fits = "do the tables fit each other, and Wootric's own figures? loads nothing"
    full = "; full: also by reading all lists, are all ids there?"
    parser.add_argument("--verify", nargs="?", const="fit", choices=("fit", "full"), metavar="full", help=fits + full)
    parser.add_argument("--repair", action="store_true", help="fetch by id what --verify finds missing")
    gone = "find rows that Wootric does not have any more, and do what the setting deleted says; loads nothing"
    parser.add_argument("--find-deleted", action="store_true", help=gone)
    parser.add_argument("--marts", action="store_true", help="build scores, intervals and the like of what is loaded")
    forget = "remove what is loaded of these people, by ids or e-mail addresses, and load it no more"
    parser.add_argument("--forget", metavar="WHO,...", help=forget)
    parser.add_argument("--remember", metavar="ID,...", help="let people be loaded again who are forgotten")
    parser.add_argument("--status", action="store_true", help="what the last runs did, how fresh each table is")
    parser.add_argument(
        "--max-age", type=_hours, metavar="H", help="with --status: exit code 1 where no run was complete for H hours"
    )
    waiting = "wait for another run of the pipeline or dataset, and while the DuckDB file is open elsewhere"
    parser.add_argument("--wait", action="store_true", help=waiting)
    _add_output(parser)
    _add_page(parser)
    parser.add_argument("--version", action="version", version=f"wootric_pipeline {VERSION}")
    return parser


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0
    if not 0 < hours < inf:
        raise argparse.ArgumentTypeError("a number of hours, such as 3, is needed")
    return hours


def _add_what(parser: Arguments) -> None:
    parser.add_argument("--demo", action="store_true", help="load the sandbox account; no credentials, no network")
    others = [name for name in ALL_TABLES if name not in DEFAULT_TABLES]
    choice = f"only these of {', '.join(DEFAULT_TABLES)}, and of {', '.join(others)}"
    parser.add_argument("--tables", metavar="A,B", help=f"{choice} (default: settings, else the former)")
    parser.add_argument(
        "--exclude-columns", metavar="T.C,...", help="drop these, too, before anything is written; * matches"
    )
    parser.add_argument(
        "--start-date", metavar="D", help="first day to load, ISO date or time (default: settings, else all)"
    )
    parser.add_argument(
        "--end-date", metavar="D", help="with --start-date: load this closed-open range, leave the cursor alone"
    )
    parser.add_argument(
        "--full-refresh", action="store_true", help="load the selected tables again, remove what is gone"
    )
    parser.add_argument(
        "--yes", action="store_true", help="let --full-refresh and --find-deleted do what they would ask about"
    )


def _add_where(parser: Arguments) -> None:
    parser.add_argument("--destination", metavar="NAME", help="a dlt destination (default: settings, else duckdb)")
    parser.add_argument("--dataset", metavar="NAME", help="default: settings, else wootric")
    own = "the account that has settings of its own under [sources.wootric.NAME]"
    parser.add_argument("--account", metavar="NAME", help=f"{own}; it gets a dataset of its own, wootric_NAME")
    parser.add_argument("--accounts", metavar="A,B", help="each of these accounts, or all, one after the other")


def _add_page(parser: Arguments) -> None:
    page = parser.add_argument_group("the report page")
    page.add_argument("--report", metavar="FILE", help="write it, as one HTML file, of what is loaded")
    page.add_argument("--since", type=day, metavar="D", help="its first day (default: 90 days before the last)")
    page.add_argument("--until", type=day, metavar="D", help="the day behind its last (default: the last whole one)")
    page.add_argument("--survey", type=int, metavar="ID", help="only this survey (default: all that are NPS)")
    part = "part answers by this property of people; may be given several times"
    page.add_argument("--segment", action="append", metavar="KEY", help=part)
    page.add_argument("--comments", type=comments_number, metavar="N", help="show the latest comments (default: none)")


def _add_output(parser: Arguments) -> None:
    parser.add_argument("--json", action="store_true", help="the report as one JSON object on stdout")
    parser.add_argument(
        "--progress",
        choices=("auto", *COLLECTORS, "none"),
        default="auto",
        help="auto: live on a terminal, quiet elsewhere",
    )
    parser.add_argument("--debug", action="store_true", help="the whole log and whole tracebacks; they may hold rows")
    parser.add_argument("--log-file", metavar="FILE", help="append the log to this file, which only you may read")


def _check_page(options: argparse.Namespace) -> None:
    """Raises ConfigurationError if an option of the page's would do nothing."""
    given = [f"--{name}" for name in ("since", "until", "survey", "segment", "comments") if getattr(options, name)]
    if given and options.report is None:
        raise ConfigurationError(f"{', '.join(given)} {'is' if len(given) == 1 else 'are'} about --report; add that.")
    others = ("check", "marts", "status", "verify", "repair", "tables")
    if options.report is not None and any(getattr(options, name) for name in others):
        raise ConfigurationError("--report writes a page of what is loaded; leave out any other of these options.")


def check_combination(options: argparse.Namespace) -> None:
    """Raises ConfigurationError if one option would do nothing beside another, or without it."""
    if options.full_refresh and options.end_date:
        raise ConfigurationError("--full-refresh loads everything again; leave out --end-date.")
    if options.full_refresh and options.check:
        raise ConfigurationError("--check loads nothing; leave out --full-refresh.")
    if options.max_age is not None and not options.status:
        raise ConfigurationError("--max-age is about --status; add that, or leave out --max-age.")
    _check_page(options)
    _check_runs(options)
    if options.exclude_columns is not None and not options.exclude_columns.strip(" ,"):
        raise ConfigurationError("--exclude-columns names no column; name one, or leave it out.")
    if options.yes and not (options.full_refresh or options.find_deleted):
        raise ConfigurationError(
            "--yes answers what --full-refresh and --find-deleted ask; add one of them, or leave out --yes."
        )


def accounts_of(options: argparse.Namespace) -> list[Account]:
    """The accounts that a command line is about; the one that needs no name, where it names none.

    Raises:
        ConfigurationError: There is none of that name, or other options do not go with accounts.
    """
    if options.account is None and options.accounts is None:
        return [named("")]
    if options.account is not None and options.accounts is not None:
        raise ConfigurationError("--account and --accounts contradict each other; leave one out.")
    if options.demo:
        raise ConfigurationError("--demo loads an account of its own; leave out --account and --accounts.")
    if options.accounts is None:
        return [named(_name(options.account, "--account"))]
    if others := [f"--{name}" for name in ("dataset", "report") if getattr(options, name) is not None]:
        raise ConfigurationError(
            f"--accounts cannot give all of them the same {' and '.join(others)}; leave that out, or run each "
            "by itself with --account."
        )
    return [named(name) for name in _names(options.accounts)]


def _names(given: str) -> list[str]:
    if given.strip() != ALL:
        return [_name(name, "--accounts") for name in dict.fromkeys(given.split(","))]
    if not (known := names()):
        raise ConfigurationError(
            "No account has settings of its own, as there may be under [sources.wootric.acme]; give them some, or "
            "leave out --accounts."
        )
    return known


def _name(given: str, option: str) -> str:
    if not given.strip():
        raise ConfigurationError(f"{option} names no account; name one, or leave it out.")
    return given.strip()


def _check_runs(options: argparse.Namespace) -> None:
    for name in ("forget", "remember"):
        if getattr(options, name) is not None:
            _check_alone(options, name)
    for name in ("status", "verify", "repair", "find_deleted", "marts", "report"):
        if getattr(options, name) and not (name == "report" and options.demo):
            _check_loads_nothing(options, name)
    if options.find_deleted and (options.status or options.verify or options.repair):
        raise ConfigurationError("--find-deleted is a run of its own; leave out --status, --verify and --repair.")
    if options.status and (options.verify or options.repair):
        raise ConfigurationError("--status looks at runs; leave out --verify and --repair.")
    if options.marts and (given := _given(options, ("status", "verify", "repair", "find_deleted", "tables"))):
        raise ConfigurationError(f"--marts builds all marts of what is loaded; leave out {', '.join(given)}.")


def _check_loads_nothing(options: argparse.Namespace, name: str) -> None:
    if given := _given(options, OF_LISTS):
        what = "loads rows by their ids alone" if name == "repair" else "loads nothing"
        raise ConfigurationError(f"{_option(name)} {what}; leave out {', '.join(given)}.")


def _check_alone(options: argparse.Namespace, name: str) -> None:
    runs = ("status", "verify", "repair", "find_deleted", "marts", "report", "forget", "remember")
    if others := [each for each in _given(options, ("tables", *OF_LISTS, *runs)) if each != _option(name)]:
        raise ConfigurationError(
            f"{_option(name)} is a run of its own, about all tables; leave out {', '.join(others)}."
        )


def _given(options: argparse.Namespace, names: Sequence[str]) -> list[str]:
    return [_option(name) for name in names if getattr(options, name)]


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
