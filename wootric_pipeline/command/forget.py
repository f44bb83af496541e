"""Removes what is loaded of people, and keeps them from being loaded again, or lets them be.

First the state says so, so that no load brings back what is removed after that. All of it can be done again: what a
run that is killed has left undone, the next one does. Wootric is not asked for anything.
"""

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from dlt import Pipeline

from ..accounts import account
from ..destinations.copies import remove_old_copies
from ..destinations.locks import exclusive, kept_open
from ..destinations.queries import Queries
from ..destinations.stored import Stored, require_whole, stored
from ..dlt_internals import pipelines_in, source_state, table_chain
from ..errors import ConfigurationError
from ..forgetting import FORGOTTEN, Forgotten, forgotten_in
from ..hashing import Hashing
from ..insight.model import models
from ..insight.people import canonical, has_emails, known, of_email, person_column, rows_of, telling, tells_nothing
from ..reading.overlap import without
from ..reading.reader import ASKED, OVERLAP
from ..settings import given_password, patterns
from ..tables import END_USERS, PERSON, TABLES
from .loading import follow_destination, load_extracted, loaded_state
from .marts import build_marts, has_marts, marts_pipeline
from .outcome import noted
from .pipeline import remove_killed_ranges
from .run import Run
from .runtime import laid_out, source_setting

IDS_MAX = 2**63
EXAMPLE = "1183,ann@example.com"

_ID, _EMAIL = re.compile("[0-9]{1,19}"), re.compile(r"[^\s@,]+@[^\s@,]+")

log = logging.getLogger("wootric_pipeline.command")


@dataclass
class _Done:
    """What was done.

    Attributes:
        people: The ids of all who are not to be loaded.
        before: Those of them who were not to be loaded before.
        rows: By table, the ids of rows that were removed, or from which something was.
        untold: Sentences about tables that do not say whose their rows are.
        marts: What was built anew of what is left, for people.
        left: Why old copies may be left, in a sentence.
    """

    people: list[int]
    before: list[int]
    rows: dict[str, list[int]] = field(default_factory=dict)
    untold: dict[str, str] = field(default_factory=dict)
    marts: str = ""
    left: str = ""


def forget(pipeline: Pipeline, run: Run, given: str) -> tuple[str, str]:
    """Forgets people; what was done, for people, and a sentence if that is not all.

    Args:
        pipeline: Whose dataset.
        run: Takes the notes, and what was done for machines.
        given: Ids and e-mail addresses, with commas between them.

    Raises:
        ConfigurationError: Nobody is named, or somebody of whom nothing is known; rows cannot be removed; another
            loader is at work.
        PipelineStepFailed: dlt or the destination failed.
    """
    words = _words(given)
    with exclusive(pipeline, wait=run.waits):
        with kept_open(pipeline, wait=run.waits):
            tables = _begin(pipeline)
            forgotten = forgotten_in(pipeline.state, account().source)
            people = _people(Queries(pipeline, account().source), words, forgotten)
        done = _Done(people, [each for each in people if each in forgotten])
        with noted(pipeline, run, tables, "forget"):
            with kept_open(pipeline, wait=run.waits):
                _warn_of_others(pipeline, run)
                _keep_state(pipeline, tables, forgotten, people)
                _remove(pipeline, tables, done)
            _tidy(pipeline, run, tables, done)
            _note(run, tables, done)
    left = " ".join(filter(None, [*done.untold.values(), done.left]))
    return _as_text(run, done), left


def remember(pipeline: Pipeline, run: Run, given: str) -> tuple[str, str]:
    """Lets people be loaded again who were forgotten; see `forget`.

    Raises:
        ConfigurationError: Nobody is named, or somebody who was not forgotten; another loader is at work.
        PipelineStepFailed: dlt or the destination failed.
    """
    words = [word.strip() for word in given.split(",") if word.strip()]
    if not words or not all(map(_ID.fullmatch, words)):
        raise ConfigurationError(
            "--remember takes ids, as in --remember 1183: of people who are forgotten, no e-mail address is known."
        )
    people = sorted({int(word) for word in words})
    with exclusive(pipeline, wait=run.waits), kept_open(pipeline, wait=run.waits):
        loaded_state(pipeline)
        follow_destination(pipeline)
        forgotten = forgotten_in(pipeline.state, account().source)
        if others := [each for each in people if each not in forgotten]:
            are = "is" if len(others) == 1 else "are"
            raise ConfigurationError(f"{_persons(others).capitalize()} {are} not forgotten; nothing was changed.")
        with source_state(pipeline, account().source) as state:
            _put(state, FORGOTTEN, forgotten.without(people))
        load_extracted(pipeline)
    run.found = {"remembered": {"people": len(people), "ids": people}}
    return f"{_persons(people).capitalize()} will be loaded again, by --full-refresh or as rows of theirs change.", ""


def _words(given: str) -> list[str]:
    words = [word.strip() for word in given.split(",") if word.strip()]
    is_right = all(_EMAIL.fullmatch(word) or (_ID.fullmatch(word) and int(word) < IDS_MAX) for word in words)
    if not (words and is_right):
        raise ConfigurationError(f"--forget takes ids of people and e-mail addresses, as in --forget {EXAMPLE}.")
    return words


def _begin(pipeline: Pipeline) -> list[str]:
    """Goes on from what the destination knows; the lists that are loaded, if something of them can be removed."""
    loaded_state(pipeline)
    if laid_out(pipeline).appends:
        raise ConfigurationError(
            "Plain files keep each version of a row, and nothing can be removed from them; load into files = "
            '"delta" instead, with exclude_columns or hash_columns, and delete them.'
        )
    follow_destination(pipeline)
    loaded = Queries(pipeline, account().source).tables
    tables = [name for name in TABLES if name in loaded]
    with _removing(pipeline) as destination:
        require_whole(destination, tables)
    return tables


@contextmanager
def _removing(pipeline: Pipeline) -> Iterator[Stored]:
    with stored(pipeline) as destination:
        if destination is None:
            raise ConfigurationError("This destination lets nothing be removed from its tables.")
        yield destination


def _people(queries: Queries, words: Sequence[str], forgotten: Forgotten) -> list[int]:
    """The ids of all who are meant.

    Raises:
        ConfigurationError: Nothing is known of somebody.
    """
    ids = {int(word) for word in words if _ID.fullmatch(word)}
    emails = [word for word in words if not _ID.fullmatch(word)]
    there = known(queries, ids) if ids else frozenset()
    if unknown := sorted(each for each in ids - there if each not in forgotten):
        raise ConfigurationError(f"Nothing is loaded of {_persons(unknown)}; nothing was changed.")
    if emails and not has_emails(queries):
        raise ConfigurationError("No e-mail addresses are loaded, by which people could be found; name their ids.")
    for number, email in enumerate(emails, 1):
        found = of_email(queries, _as_loaded(email))
        if not found:
            which = "the e-mail address" if len(emails) == 1 else f"e-mail address number {number} of {len(emails)}"
            raise ConfigurationError(
                f"Nothing is loaded of anybody with {which}; nothing was changed. Who is forgotten already, or was "
                "hashed by another hash_key, is known by the id alone."
            )
        ids |= found
    return sorted(ids)


def _as_loaded(email: str) -> set[str]:
    """An e-mail address in the forms in which it may be loaded."""
    secret = given_password(account().value("hash_key"))
    names = patterns("hash_columns", account().value("hash_columns")) or ()
    normalizes = source_setting("hash_normalized_emails", bool, False)
    hashing = Hashing(names, secret, normalizes_emails=normalizes)
    return {canonical(email), *((hashing.hashed(text) for text in (email, email.lower())) if secret else ())}


def _warn_of_others(pipeline: Pipeline, run: Run) -> None:
    for name in sorted(pipelines_in(pipeline) - {pipeline.pipeline_name}):
        run.warn(f"The pipeline {name} loads into the same dataset, and does not know who is forgotten.")


def _keep_state(pipeline: Pipeline, tables: Sequence[str], forgotten: Forgotten, people: Collection[int]) -> None:
    """Commits who is not to be loaded, and forgets digests with which guesses could be compared."""
    queries = Queries(pipeline, account().source)
    ids = {name: rows_of(queries, TABLES[name], people) for name in tables if _tells_whose(pipeline, name)}
    log.info("Forgets %s.", _persons(sorted(people)))
    with source_state(pipeline, account().source) as state:
        state[FORGOTTEN] = forgotten.added(people)
        for name, of_table in state.get("resources", {}).items():
            # Answers of people who are forgotten may be among those that were asked for.
            of_table.pop(ASKED, None)
            if OVERLAP in of_table and name in tables:
                _put(of_table, OVERLAP, without(of_table[OVERLAP], ids[name]) if name in ids else {})
    if pipeline.has_pending_data:
        load_extracted(pipeline)


def _put(state: dict[str, Any], key: str, value: dict[str, Any]) -> None:
    state.pop(key, None)
    if value:
        state[key] = value


def _tells_whose(pipeline: Pipeline, table: str) -> bool:
    return person_column(TABLES[table]) in pipeline.default_schema.tables[table]["columns"]


def _remove(pipeline: Pipeline, tables: Sequence[str], done: _Done) -> None:
    """Removes the people's own rows last: by these their e-mail addresses are known."""
    queries = Queries(pipeline, account().source)
    with _removing(pipeline) as destination:
        for name in sorted(tables, key=lambda name: name == END_USERS.name):
            about = telling(TABLES[name], table_chain(pipeline.default_schema, name))
            if not _tells_whose(pipeline, name):
                if tells_nothing(queries, TABLES[name], about):
                    continue
                done.untold[name] = (
                    f"{name} has no {PERSON}, so that nobody can tell which of its rows are theirs; --full-refresh "
                    f"--tables {name} loads them without what is personal."
                )
            elif name == END_USERS.name:
                done.rows[name] = rows_of(queries, TABLES[name], done.people)
                destination.remove(name, done.people)
            else:
                done.rows[name] = rows_of(queries, TABLES[name], done.people, about)
                destination.clear(name, done.people, about.columns, about.children)


def _tidy(pipeline: Pipeline, run: Run, tables: Sequence[str], done: _Done) -> None:
    """Builds the marts anew, if there are any, and removes old copies."""
    datasets = [(pipeline, tables)]
    try:
        with kept_open(pipeline, wait=run.waits):
            if has_marts(pipeline):
                done.marts = build_marts(pipeline, run)
                datasets.append((marts_pipeline(pipeline), list(models())))
        remove_old_copies(datasets)
        remove_killed_ranges()
    except Exception as error:
        log.debug("This is where it failed:", exc_info=error)
        ids = ",".join(map(str, done.people))
        done.left = (
            f"Nothing of them is in the tables, but old copies may be left at the destination "
            f"({type(error).__name__}); --forget {ids} tries again to remove these."
        )
    finally:
        pipeline.activate()


def _note(run: Run, tables: Sequence[str], done: _Done) -> None:
    for name in tables:
        notes = run.table(name)
        notes.rows = len(done.rows.get(name, ()))
        notes.error = done.untold.get(name) or done.left or None
        notes.complete = notes.error is None
    run.found = {
        "forgotten": {
            "people": len(done.people),
            "ids": done.people,
            "forgotten_before": len(done.before),
            "tables": {
                name: {"removed" if name == END_USERS.name else "cleared": len(rows)}
                for name, rows in done.rows.items()
            },
        }
    }


def _as_text(run: Run, done: _Done) -> str:
    """For people."""
    lines = []
    for name in (name for name in TABLES if done.rows.get(name)):
        count = len(done.rows[name])
        what = "removed" if name == END_USERS.name else "cleared of what is personal"
        lines.append(f"{name}: {count:,} {'row' if count == 1 else 'rows'} {what}.")
    lines += [] if lines else ["Nothing is left of them."]
    lines.append(f"{_persons(done.people).capitalize()} will not be loaded again, until --remember.")
    lines += [f"Warning: {warning}" for warning in run.warnings]
    return "\n".join([*lines, *(["", done.marts] if done.marts else [])])


def _persons(ids: Sequence[int]) -> str:
    listed = ", ".join(map(str, ids))
    return f"the person of the id {listed}" if len(ids) == 1 else f"the {len(ids):,} people of the ids {listed}"
