"""From the words of a command line to an exit code."""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from dlt import Pipeline
from dlt.common.pipeline import get_dlt_pipelines_dir

from .. import settings, wootric_source
from ..accounts import Account, account, others
from ..accounts import about as about_account
from ..destinations.layout import kind_of, require_packages
from ..destinations.locks import exclusive, kept_open, patient
from ..dlt_internals import destination_settings, is_open_elsewhere, look_for_no_settings_files
from ..misspelling import refuse_misspelled, refuse_misspelled_of_destination
from ..starting import FAILURE, started
from ..tables import ALL_TABLES
from ..version import VERSION
from . import report
from .account_settings import AccountSettings
from .arguments import accounts_of, arguments, check_combination
from .check import check
from .consent import confirm
from .deleted import find_deleted
from .deleted_after_load import find_deleted_after_load
from .demo import demo_account, demo_answers, leave_settings_out
from .ending import Ending, Teller
from .failures import USER_MISTAKE, explain
from .first_run import INIT, first_run
from .forget import forget, remember
from .loading import load
from .lock import exclusive_run
from .logs import logging_to
from .marts import build_marts, build_marts_of_changes, check_settings, wants_marts
from .outcome import noted
from .pipeline import (
    DEFAULT_DESTINATION,
    keep_apart,
    keep_form,
    no_trace_of_failures,
    pipeline_name,
    pipeline_of,
)
from .progress import shown
from .report_page import DEMO_FILE, refuse_unwritable, wanted, write_page
from .run import Run, source_for
from .runs_table import Kind
from .runtime import check_working_folder, files, set_up_dlt, source_setting
from .status import as_json, as_text, status
from .verify import verified, verified_after_load

CHECKPOINT_MINUTES = 5.0

log = logging.getLogger("wootric_pipeline.command")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line and answers the exit code: 0 complete, 2 a mistake of the user's, 1 anything else."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == [INIT]:
        return first_run(_program(), words[1:], main)
    teller = Teller(is_json="--json" in words)
    try:
        started()
        options = arguments(_program()).parse_args(words)
        teller.is_of_several = options.accounts is not None
        with logging_to(options.log_file, debug=options.debug):
            for ending in _endings(options):
                teller.tell(ending)
    except (Exception, KeyboardInterrupt) as error:
        failed = Ending()
        failed.fail(error)
        teller.tell(failed)
    return teller.finish()


def _endings(options: argparse.Namespace) -> Iterator[Ending]:
    """How the runs of the accounts end, one after the other; what happened is in the log."""
    found: list[Account] = []
    ending = Ending()
    with _logged(ending):
        if options.demo and not options.destination:
            look_for_no_settings_files()
        set_up_dlt()
        if options.demo:
            leave_settings_out(options.destination)
        ending.about["pipeline"] = pipeline_name(is_demo=options.demo)
        found = accounts_of(options)
    if ending.sentence:
        yield ending
    for each in found:
        yield (ending := _ending(options, each))
        if ending.is_stopped:
            return


def _ending(options: argparse.Namespace, whose: Account) -> Ending:
    ending = Ending(account=whose.name)
    run, about = ending.run, ending.about
    with about_account(whose), _logged(ending), patient():
        about["pipeline"] = pipeline_name(is_demo=options.demo)
        lock = exclusive_run(about["pipeline"], get_dlt_pipelines_dir(), wait=options.wait)
        with nullcontext() if options.check or options.status else lock:
            ending.text, ending.sentence = _run(options, run, about)
        requests = run.client.requests if run.client else 0
        log.info("Ended with %s rows and %s requests, after %.1f s.", run.rows, requests, run.seconds)
        if ending.sentence:
            log.error(ending.sentence)
            ending.code = USER_MISTAKE if run.needs_change else FAILURE
    return ending


@contextmanager
def _logged(ending: Ending) -> Iterator[None]:
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        ending.fail(error)
        log.error(ending.sentence)
        log.debug("This is where it failed:", exc_info=error)


def _run(options: argparse.Namespace, run: Run, about: dict[str, str]) -> tuple[str, str]:
    """Does what the command line asks for; the report for people, and what failed, in sentences."""
    chosen: Any = options.tables if options.demo or options.tables is not None else account().value("tables")
    names = settings.tables(chosen)
    pipeline = _prepared(options, run, about, names)
    if options.status:
        return _status(options, run, about, pipeline, names)
    if options.forget is not None or options.remember is not None:
        return _forget(options, run, pipeline)
    # The demo is always loaded; its page may be another file then.
    tells = options.marts or (options.report and not options.demo)
    loads = not (options.check or options.verify or options.repair or options.find_deleted or tells)
    with noted(pipeline, run, names, _kind(options), is_end=False) if loads else nullcontext():
        _reach(pipeline, run)
    if tells:
        run.found = {}
        with no_trace_of_failures(pipeline):
            of_page = options.report and write_page(pipeline, run, wanted(options), options.report)
            return of_page or build_marts(pipeline, run), ""
    served: AbstractContextManager[tuple[dict[str, Any], bool]] = (
        demo_account(pipeline) if options.demo else nullcontext(({}, False))
    )
    with served as (access, is_new), no_trace_of_failures(pipeline):
        given = {**access, **_given(options)}
        if options.verify or options.repair:
            compares, full = bool(options.verify), names if options.verify == "full" else ()
            found = verified(pipeline, run, repairs=options.repair, compares=compares, full=full, **given)
            return _with_marts(pipeline, run, found) if options.repair else found
        if options.find_deleted:
            return _with_marts(pipeline, run, find_deleted(pipeline, run, names, yes=options.yes, **given))
        if options.check:
            source_for(run, **given)
            unreadable = check(pipeline, run, names)
            return _report(options, run, about, pipeline), unreadable
        told = _loaded(options, run, about, pipeline, names, given, anew=options.full_refresh or is_new)
        return _with_page(options, run, pipeline, _with_marts(pipeline, run, told))


def _kind(options: argparse.Namespace) -> Kind:
    return "range" if options.end_date else "load"


def _loaded(
    options: argparse.Namespace,
    run: Run,
    about: dict[str, str],
    pipeline: Pipeline,
    names: Sequence[str],
    given: dict[str, Any],
    *,
    anew: bool,
) -> tuple[str, str]:
    """Loads, looks for what is gone of lists that were read as a whole, and verifies where the setting says so."""
    source = source_for(run, **given)
    if anew:
        confirm(pipeline, run, names, _start(options), yes=options.yes)
    with shown(pipeline, options), noted(pipeline, run, names, _kind(options)):
        minutes = _checkpoint_minutes()
        load(pipeline, source, run, names, checkpoint_minutes=minutes, full_refresh=anew, empties=options.yes)
    failed = " ".join(notes.error for notes in run.tables.values() if notes.error)
    told = _report(options, run, about, pipeline), failed
    if _kind(options) != "load":
        return told
    if not (anew or options.demo):
        looks = partial(find_deleted_after_load, pipeline, run, names)
        told = _followed(run, told, "what is gone is not looked for", looks)
    if failed or not source_setting("verify_after_load", bool, False):
        return told
    return _followed(run, told, "it is not verified", lambda: verified_after_load(pipeline, run, **given))


def _followed(
    run: Run, told: tuple[str, str], lacks: str, then: Callable[[], tuple[str, str]], *, gap: str = "\n"
) -> tuple[str, str]:
    """What was told of a run, and what follows it: a failure there takes nothing from what was loaded, or told.

    Args:
        run: Notes whether there is something to change.
        told: The report, and what failed.
        lacks: What is not so where it fails.
        then: Answers further lines, and what failed.
        gap: Between what was told and these.
    """
    text, failed = told
    try:
        further, sentence = then()
    except Exception as error:
        reason, code = explain(error)
        run.needs_change = run.needs_change or code == USER_MISTAKE
        log.debug("This is where it failed:", exc_info=error)
        further, sentence = "", f"What the run has changed is loaded, but {lacks}. {reason}"
    return (f"{text}{gap}{further}" if further else text), " ".join(filter(None, (failed, sentence)))


def _with_marts(pipeline: Pipeline, run: Run, told: tuple[str, str]) -> tuple[str, str]:
    """With what was built of what the run has changed."""
    if not wants_marts():
        return told
    lacks = "the marts are not built of it"
    return _followed(run, told, lacks, lambda: (build_marts_of_changes(pipeline, run), ""), gap="\n\n")


def _with_page(options: argparse.Namespace, run: Run, pipeline: Pipeline, told: tuple[str, str]) -> tuple[str, str]:
    """With the page of the demo: in a file of its own unless one is named, and where a person looks at the answers."""
    if not (options.report or _answers(options, run, pipeline)):
        return told
    file = options.report or DEMO_FILE
    page = partial(write_page, pipeline, run, wanted(options), file)
    return _followed(run, told, "its page is not written", lambda: (page(), ""), gap="\n\n")


def _answers(options: argparse.Namespace, run: Run, pipeline: Pipeline) -> bool:
    """Whether the demo is to show what can be asked of it."""
    is_read = options.demo and "responses" in run.tables and not options.json
    return bool(is_read and pipeline.destination.destination_name == DEFAULT_DESTINATION)


def _forget(options: argparse.Namespace, run: Run, pipeline: Pipeline) -> tuple[str, str]:
    _reach(pipeline, run)
    with no_trace_of_failures(pipeline):
        if options.forget is not None:
            return forget(pipeline, run, options.forget)
        return remember(pipeline, run, options.remember)


def _reach(pipeline: Pipeline, run: Run) -> None:
    try:
        with kept_open(pipeline, wait=run.waits):
            keep_apart(pipeline)
            keep_form(pipeline, files())
    except Exception as error:
        if is_open_elsewhere(error):
            # A loader has a file open, and a lock, which tells more.
            with exclusive(pipeline, wait=False):
                pass
        raise


def _prepared(options: argparse.Namespace, run: Run, about: dict[str, str], names: Sequence[str]) -> Pipeline:
    """The pipeline, when nothing on the command line and in the settings is a mistake that can be seen by now."""
    if not options.demo:
        # A range is for one run: set for all of them, none would ever move a cursor.
        parameters = [name for name in signature(wootric_source).parameters if name != "end_date"]
        refuse_misspelled(parameters, pipeline_name(is_demo=options.demo), others(account()))
    settings.span(options.start_date, options.end_date)
    check_combination(options)
    _checkpoint_minutes()
    AccountSettings()
    pipeline = pipeline_of(options)
    check_working_folder(pipeline.working_dir, kind_of(pipeline))
    about.update(destination=pipeline.destination.destination_name, dataset=pipeline.dataset_name)
    log.info(
        "wootric_pipeline %s %s %s; destination %s, dataset %s.",
        VERSION,
        _verb(options),
        ", ".join(names),
        about["destination"],
        about["dataset"],
    )
    if options.report is not None:
        wanted(options)
        refuse_unwritable(options.report)
    if options.marts or options.report or wants_marts():
        check_settings(pipeline)
    require_packages(kind_of(pipeline), files())
    refuse_misspelled_of_destination(about["destination"], destination_settings(pipeline))
    run.waits = options.wait
    return pipeline


def _verb(options: argparse.Namespace) -> str:
    verbs = {"checks": options.check, "looks after": options.status, "repairs": options.repair}
    verbs |= {"verifies": options.verify, "looks for what is gone of": options.find_deleted}
    verbs |= {"builds marts of": options.marts, "reports": options.report}
    verbs |= {"forgets people in": options.forget, "remembers people in": options.remember}
    return next((verb for verb, meant in verbs.items() if meant), "loads")


def _checkpoint_minutes() -> float:
    minutes = source_setting("checkpoint_minutes", float, CHECKPOINT_MINUTES)
    settings.at_least(0, checkpoint_minutes=minutes)
    return minutes


def _status(
    options: argparse.Namespace, run: Run, about: dict[str, str], pipeline: Pipeline, names: Sequence[str]
) -> tuple[str, str]:
    """What the last runs did, for people, and which tables are older than they may be."""
    with kept_open(pipeline, wait=run.waits):
        found = status(pipeline, names if options.tables else list(ALL_TABLES))
    run.found = as_json(found)
    text = as_text(found, dataset=about["dataset"], now=run.started_at)
    if options.max_age is None:
        return text, ""
    return text, found.stale(options.max_age, run.started_at, names if options.tables else ())


def _start(options: argparse.Namespace) -> datetime | None:
    """The first day to load."""
    return settings.moment("start_date", options.start_date or source_setting("start_date", str, "") or None)


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """The source's arguments that the command line names; all others are settings."""
    given = {
        "tables": options.tables,
        "start_date": options.start_date,
        "end_date": options.end_date,
        "also_exclude": settings.patterns("exclude_columns", options.exclude_columns),
    }
    return {name: value for name, value in given.items() if value}


def _report(options: argparse.Namespace, run: Run, about: dict[str, str], pipeline: Pipeline) -> str:
    text = report.as_text(run, destination=about["destination"], dataset=about["dataset"])
    went_on = [name for name, notes in run.tables.items() if notes.cursor_before]
    if options.start_date and went_on:
        text += f"\n{', '.join(went_on)} went on where the last run ended; "
        text += "to load from --start-date, add --end-date or --full-refresh."
    return text + demo_answers(pipeline) if _answers(options, run, pipeline) else text


def _program() -> str:
    """How the command was called, for its help."""
    name = Path(sys.argv[0]).name
    return "python -m wootric_pipeline" if name == "__main__.py" else name or "wootric-pipeline"
