#!/usr/bin/env python
"""Loads a Wootric account into DuckDB, or wherever dlt's settings say; `--help` tells the options."""

import argparse
import gc
import json
import logging
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NoReturn, TypeVar

try:
    import dlt
except ModuleNotFoundError:
    print("dlt is not installed for this Python; `make demo` installs it for .venv/bin/python.", file=sys.stderr)
    sys.exit(2)
from dlt.common.pipeline import get_dlt_pipelines_dir
from dlt.common.runtime.collector import AliveCollector, EnlightenCollector, LogCollector, TqdmCollector
from dlt.common.runtime.collector_base import Collector
from dlt.common.runtime.run_context import active
from dlt.common.runtime.telemetry import stop_telemetry
from dlt.pipeline.pipeline import Pipeline
from dlt.pipeline.trace import TRACE_FILE_NAME

from wootric_pipeline import Run, report, settings, wootric_source
from wootric_pipeline.alone import alone
from wootric_pipeline.client import VERSION
from wootric_pipeline.destinations import kind_of, require_packages
from wootric_pipeline.errors import ApiUnavailable, ConfigurationError, UnexpectedAnswer
from wootric_pipeline.failures import FAILURE, explain
from wootric_pipeline.loading import follow_destination, load
from wootric_pipeline.reading import check
from wootric_pipeline.tables import TABLES

PIPELINE_NAME = "wootric_pipeline"
DEMO_PIPELINE_NAME = "wootric_demo"
DEFAULT_DESTINATION = "duckdb"
DEFAULT_DATASET = "wootric"
CHECKPOINT_MINUTES = 5.0
LOG_PERIOD_SECONDS = 10.0
GC_THRESHOLD = 50_000
DLT_SETTINGS = {
    # dlt logs failures with tracebacks and repeats messages of destinations, which may hold rows.
    "runtime.log_level": "CRITICAL",
    # Nothing is sent anywhere but to Wootric and the destination.
    "runtime.dlthub_telemetry": "false",
    # What dlt extracts is read again at once: compressing it costs more than it saves.
    "sources.data_writer.disable_compression": "true",
    # Rows would lie in the working folder for ever, and fill the disk.
    "load.delete_completed_jobs": "true",
}
DUCKDB_FILE_SETTINGS = ("destination.duckdb.credentials", "destination.credentials", "credentials")
DEMO_STATE_KEY = "demo_history_ends_at"
Value = TypeVar("Value", str, float)

COLLECTORS: dict[str, Callable[[], Collector]] = {
    "tqdm": TqdmCollector,
    "enlighten": EnlightenCollector,
    "alive_progress": AliveCollector,
    "log": lambda: LogCollector(LOG_PERIOD_SECONDS, sys.stderr, dump_system_stats=False),
}

DEMO_QUERIES = {
    "NPS by month": """\
SELECT strftime(created_at, '%Y-%m') AS month, count(*) AS responses,
       round(100.0 * (count(*) FILTER (score >= 9) - count(*) FILTER (score <= 6)) / count(*)) AS nps
FROM {dataset}.responses WHERE completed AND NOT excluded_from_calculations
GROUP BY month ORDER BY month DESC LIMIT 6""",
    "Top tags": """\
SELECT tags.value AS tag, count(*) AS responses, round(avg(responses.score), 1) AS average_score
FROM {dataset}.responses__tags AS tags JOIN {dataset}.responses ON responses._dlt_id = tags._dlt_parent_id
GROUP BY tag ORDER BY responses DESC LIMIT 5""",
}


class Arguments(argparse.ArgumentParser):
    """Tells a mistake in one sentence, without the list of options."""

    def error(self, message: str) -> NoReturn:
        """Ends the program with exit code 2."""
        raise ConfigurationError(f"{message[:1].upper()}{message[1:]}; see --help.")


def arguments() -> Arguments:
    """The command line."""
    parser = Arguments(prog="wootric_pipeline.py", description=__doc__, allow_abbrev=False)
    parser.add_argument("--demo", action="store_true", help="load the sandbox account; no credentials, no network")
    parser.add_argument("--tables", metavar="A,B", help=f"only these of {', '.join(TABLES)}")
    parser.add_argument("--exclude-columns", metavar="T.C,...", help="drop these before anything is written; * matches")
    parser.add_argument(
        "--start-date", metavar="D", help="first day to load, ISO date or time (default: settings, else all)"
    )
    parser.add_argument(
        "--end-date", metavar="D", help="with --start-date: load this closed-open range, leave the cursor alone"
    )
    parser.add_argument(
        "--full-refresh", action="store_true", help="drop the selected tables and their cursors, load again"
    )
    parser.add_argument("--destination", metavar="NAME", help="a dlt destination (default: settings, else duckdb)")
    parser.add_argument("--dataset", metavar="NAME", help="default: settings, else wootric")
    parser.add_argument("--check", action="store_true", help="sign in, read a row of each table, connect; load nothing")
    parser.add_argument("--wait", action="store_true", help="wait while another run of the pipeline is under way")
    parser.add_argument("--json", action="store_true", help="the report as one JSON object on stdout")
    parser.add_argument(
        "--progress",
        choices=("auto", *COLLECTORS, "none"),
        default="auto",
        help="auto: live on a terminal, quiet elsewhere",
    )
    parser.add_argument("--version", action="version", version=f"wootric_pipeline {VERSION}")
    return parser


def collector(name: str) -> Collector | None:
    """What shows the progress: dlt's own collectors, on stderr."""
    if name == "auto":
        name = "tqdm" if sys.stderr.isatty() else "none"
    return COLLECTORS[name]() if name in COLLECTORS else None


def set_up_dlt() -> None:
    """Starts dlt's runtime, with this script's defaults for what the user has not set.

    Raises:
        ConfigurationError: It cannot log as it is told to.
    """
    # What is written to disk holds personal data.
    os.umask(0o077)
    # Rows make many objects and no cycles, which Python would look for all the time.
    gc.set_threshold(GC_THRESHOLD, 20, 50)
    # Of a query of dlt's own, which is right.
    warnings.filterwarnings("ignore", "Coercing Subquery object into a select")
    logging.getLogger("dlt").addFilter(withhold_content)
    try:
        unset = {name: value for name, value in DLT_SETTINGS.items() if dlt.config.get(name) is None}
    except ValueError:
        raise ConfigurationError("log_level or log_format under [runtime] cannot be used.") from None
    os.environ.update({name.replace(".", "__").upper(): value for name, value in unset.items()})
    # The first setting asked for has started the runtime with dlt's own defaults.
    stop_telemetry()
    active().initialize_runtime()


def withhold_content(record: logging.LogRecord) -> bool:
    """Cuts from dlt's warnings and errors what they repeat of other messages, which may hold rows or settings."""
    if record.levelno >= logging.WARNING:
        record.msg, record.args = re.split(r":|\n| with message", record.getMessage(), maxsplit=1)[0], None
        record.exc_info = record.exc_text = None
    return True


def setting(key: str, kind: type[Value], default: Value) -> Value:
    """A value of dlt's configuration (environment, .dlt/config.toml)."""
    value = dlt.config.get(key, kind)
    return default if value is None else value


def make_pipeline(options: argparse.Namespace, name: str) -> Pipeline:
    """The dlt pipeline; destination and dataset come from the command line, dlt's settings, or are duckdb and wootric.

    The demo's settings are its own: its rows must never meet real ones.

    Raises:
        ConfigurationError: DuckDB cannot tell the dataset from the file.
    """
    section = f"pipelines.{name}."
    destination: Any = options.destination or (
        DEFAULT_DESTINATION
        if options.demo
        else setting(f"{section}destination_type", str, "") or setting("destination_type", str, DEFAULT_DESTINATION)
    )
    dataset = options.dataset or (
        {DEFAULT_DESTINATION: DEFAULT_DATASET}.get(destination, DEMO_PIPELINE_NAME)
        if options.demo
        else setting(f"{section}dataset_name", str, "") or setting("dataset_name", str, DEFAULT_DATASET)
    )
    if destination == DEFAULT_DESTINATION and (options.demo or not any(map(dlt.config.get, DUCKDB_FILE_SETTINGS))):
        # dlt would put it where a pipeline of that name first ran.
        destination = dlt.destinations.duckdb(str(Path.cwd() / f"{name}.duckdb"))
    pipeline = dlt.pipeline(
        pipeline_name=name,
        destination=destination,
        dataset_name=dataset,
        progress=collector(options.progress),  # type: ignore[arg-type]  # None is dlt's silent collector
    )
    if pipeline.destination.destination_name == "duckdb" and pipeline.dataset_name == name:
        raise ConfigurationError(
            "The dataset must not have the name of the DuckDB file; choose another with --dataset."
        )
    return pipeline


@contextmanager
def demo_account(pipeline: Pipeline) -> Iterator[tuple[dict[str, Any], bool]]:
    """Serves the demo account, the same in every run of the pipeline; how to reach it, and whether it is new."""
    from wootric_pipeline.account import DemoAccount
    from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET, Sandbox

    # What is noted before that would be forgotten with the notes of another destination.
    follow_destination(pipeline)
    try:
        history_ends_at, is_new = pipeline.get_local_state_val(DEMO_STATE_KEY), False
    except KeyError:
        history_ends_at, is_new = int(time.time()), True
        pipeline.set_local_state_val(DEMO_STATE_KEY, history_ends_at)
    account = DemoAccount(history_ends_at)
    if not is_new:
        account.advance(time.time())
    with Sandbox(account) as sandbox:
        yield {"base_url": sandbox.url, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}, is_new


@contextmanager
def no_trace_of_failures(pipeline: Pipeline) -> Iterator[None]:
    """Does not keep dlt's trace of a load that fails: it repeats what the destination says, which may hold rows."""
    try:
        yield
    except BaseException:
        Path(pipeline.working_dir, TRACE_FILE_NAME).unlink(missing_ok=True)
        raise


def demo_answers(pipeline: Pipeline) -> str:
    """Two things to ask the loaded data, with the answers."""
    lines = []
    with pipeline.sql_client() as client:
        for title, template in DEMO_QUERIES.items():
            query = template.format(dataset=client.dataset_name)
            with client.execute_query(query) as cursor:
                head = [column[0] for column in cursor.description]
                lines += ["", "", f"{title}:", query, "", *report.as_table(head, cursor.fetchall())]
    return "\n".join(lines)


def check_all(pipeline: Pipeline, run: Run, tables: Sequence[str]) -> str:
    """Signs in, reads a row of each table and connects to the destination; what cannot be read, in sentences."""
    client = run.connected()
    client.sign_in()
    troubles = []
    for name in tables:
        try:
            run.checked[name] = check(client, TABLES[name])
        except (ApiUnavailable, UnexpectedAnswer) as trouble:
            run.checked[name] = None
            troubles.append(str(trouble))
    require_packages(kind_of(pipeline), setting("sources.wootric.files", str, "delta"))
    with pipeline.destination_client() as destination:
        destination.is_storage_initialized()
    return " ".join(troubles)


def run_pipeline(options: argparse.Namespace, run: Run, about: dict[str, str]) -> tuple[str, str]:
    """Does what the command line asks for; the report for people, and what failed, in sentences."""
    names = [table.name for table in settings.tables(options.tables)]
    settings.span(options.start_date, options.end_date)
    if options.full_refresh and options.end_date:
        raise ConfigurationError("--full-refresh loads everything again; leave out --end-date.")
    minutes = setting("sources.wootric.checkpoint_minutes", float, CHECKPOINT_MINUTES)
    settings.at_least("checkpoint_minutes", minutes, 0)
    pipeline = make_pipeline(options, about["pipeline"])
    about.update(destination=pipeline.destination.destination_name, dataset=pipeline.dataset_name)
    given: dict[str, Any] = {
        "start_date": options.start_date,
        "end_date": options.end_date,
        "exclude_columns": settings.patterns(options.exclude_columns),
    }
    account: AbstractContextManager[tuple[dict[str, Any], bool]] = (
        demo_account(pipeline) if options.demo else nullcontext(({}, False))
    )
    with account as (access, is_new), no_trace_of_failures(pipeline):
        source = wootric_source(run=run, **access, **{name: value for name, value in given.items() if value})
        if options.check:
            failed = check_all(pipeline, run, names)
        else:
            load(pipeline, source, run, names, checkpoint_minutes=minutes, full_refresh=options.full_refresh or is_new)
            failed = " ".join(notes.error for notes in run.tables.values() if notes.error)
    text = report.as_text(run, destination=about["destination"], dataset=about["dataset"])
    went_on = [name for name, notes in run.tables.items() if notes.cursor_before]
    if options.start_date and went_on:
        text += f"\n{', '.join(went_on)} went on from the cursor; "
        text += "to load from --start-date, add --end-date or --full-refresh."
    if options.demo and not options.check and not options.json and about["destination"] == DEFAULT_DESTINATION:
        text += demo_answers(pipeline)
    return text, failed


def show(text: str) -> None:
    """Prints the report, if there is one; that its reader has gone, as in `| head -1`, is no failure.

    Raises:
        OSError: It cannot be written.
    """
    try:
        print(text, end="\n" if text else "", flush=True)
    except OSError as error:
        # Python would try again, and complain, when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            raise


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and answers the exit code: 0 complete, 2 a mistake of the user's, 1 anything else."""
    run = Run(isolates_tables=True)
    about = {"pipeline": PIPELINE_NAME, "destination": "", "dataset": ""}
    words = list(sys.argv[1:] if argv is None else argv)
    text = ""
    try:
        options = arguments().parse_args(words)
        set_up_dlt()
        if options.demo:
            about["pipeline"] = DEMO_PIPELINE_NAME
        with nullcontext() if options.check else alone(about["pipeline"], get_dlt_pipelines_dir(), wait=options.wait):
            text, sentence = run_pipeline(options, run, about)
        code = FAILURE if sentence else 0
    except (Exception, KeyboardInterrupt) as error:
        sentence, code = explain(error)
    if "--json" in words:
        text = json.dumps(report.as_json(run, **about, error=sentence or None))
    try:
        show(text)
    except OSError as error:
        sentence, code = explain(error)
    if sentence:
        print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
