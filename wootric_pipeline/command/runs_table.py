"""The table `wootric_runs`: a row for each run and table, beside the rows that the runs have loaded.

A pipeline of its own loads it, whose schema, state and packages meet those of Wootric's tables nowhere: a run that
fails is noted as well, and what cannot be written is written with the next run's.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from uuid import uuid4

import dlt
from dlt import Pipeline, Schema
from dlt.common.data_types import TDataType
from dlt.common.schema.typing import TColumnSchema
from dlt.sources import DltResource

from ..descriptions import RUNS, descriptions
from ..destinations.delta import tend
from ..destinations.layout import FILES, described_by, kind_of
from ..destinations.locks import open_throughout
from ..destinations.stored import stored
from ..dlt_internals import keep_no_state, opened
from ..reading.notes import TableNotes
from ..tables import RESPONSES
from ..version import VERSION
from .loading import leaving_other_destination
from .report import warnings
from .run import Run
from .runtime import laid_out

FOLDER = ".runs"
"""Beside the working folder of the pipeline whose runs they are, which may be given up with what was not loaded."""
PACKAGES_MAX = 100
"""Of runs that could not be noted; then something other than a destination that is down keeps them from it."""

COLUMNS: Mapping[str, TDataType] = {
    "run_id": "text",
    "table_name": "text",
    "started_at": "timestamp",
    "seconds": "double",
    "kind": "text",
    "complete": "bool",
    "rows": "bigint",
    "rows_unchanged": "bigint",
    "rows_gone": "bigint",
    "requests": "bigint",
    "mode": "text",
    "cursor": "timestamp",
    "read_up_to": "timestamp",
    "error": "text",
    "warnings": "text",
    "verdict": "text",
    "verdict_detail": "text",
    "version": "text",
}

Kind = Literal["load", "range", "verify", "repair", "find_deleted", "forget"]
"""What a run is to do: bring tables up to now, load just a range of them, see whether they are complete, or what is
gone, or forget people."""

log = logging.getLogger("wootric_pipeline.command")


def note(pipeline: Pipeline, run: Run, tables: Sequence[str], sentence: str, kind: Kind) -> None:
    """Writes how a run has ended; that it cannot be written is a warning.

    Args:
        pipeline: That of the run.
        run: Which.
        tables: The names of those that were to be loaded.
        sentence: Why the run failed as a whole; empty if it did not.
        kind: What it was to do.
    """
    try:
        runs = _pipeline(pipeline)
        with leaving_other_destination(runs):
            if len(runs.list_normalized_load_packages()) >= PACKAGES_MAX:
                runs.abort_packages()
            # A table that nobody has named and that may not be read makes no run incomplete.
            noted = [name for name in tables if not run.table(name).is_refused]
            same = {"run_id": uuid4().hex, "kind": kind}
            rows = [{**same, **_row(run, name, sentence)} for name in noted]
            runs.extract(_resource(rows, runs), schema=Schema(RUNS))
            _load(runs)
    except Exception as error:
        run.warn(f"How this run has ended is not noted in {RUNS} yet ({type(error).__name__}).")
        log.debug("This is where it failed:", exc_info=error)
    finally:
        pipeline.activate()


def _pipeline(pipeline: Pipeline) -> Pipeline:
    """Of the same name, so that it has the same settings."""
    folder = str(Path(pipeline.working_dir).parent / FOLDER)
    runs, _ = opened(pipeline.pipeline_name, folder, pipeline.destination, pipeline.dataset_name)
    keep_no_state(runs)
    return runs


def _resource(rows: list[dict[str, Any]], runs: Pipeline) -> DltResource:
    layout, described = laid_out(runs), descriptions(RUNS)
    columns: dict[str, TColumnSchema] = {
        name: {"name": name, "data_type": data_type, "description": described[name]}
        for name, data_type in COLUMNS.items()
    }
    resource = dlt.resource(rows, name=RUNS, write_disposition="append", columns=columns)
    return resource.apply_hints(
        table_format=layout.table_format,
        # Elsewhere dlt's own choice: to write Parquet, Arrow is imported, which takes longer than a few rows.
        file_format=layout.file_format if kind_of(runs) == FILES else None,
        additional_table_hints=described_by(RUNS, layout),
    )


def _load(runs: Pipeline) -> None:
    runs.normalize()
    with open_throughout(runs):
        try:
            runs.load()
        except Exception:
            with stored(runs) as destination:
                if destination is None or not destination.gone([RUNS]):
                    raise
                # Somebody has dropped it.
                destination.restore(RUNS)
            runs.load()
        tend(runs)


def _row(run: Run, table: str, sentence: str) -> dict[str, Any]:
    notes: TableNotes = run.table(table)
    return {
        "table_name": table,
        "started_at": run.started_at,
        "seconds": round(run.seconds, 3),
        "complete": notes.complete,
        "rows": notes.rows,
        "rows_unchanged": notes.rows_unchanged,
        "rows_gone": notes.rows_gone,
        "requests": notes.requests,
        "mode": notes.mode,
        "cursor": notes.cursor_after,
        "read_up_to": notes.read_up_to,
        "error": notes.error or sentence or None,
        "warnings": " ".join(warnings(run)) or None,
        **_verdict(run, table),
        "version": VERSION,
    }


def _verdict(run: Run, table: str) -> dict[str, str]:
    """What the comparison with Wootric's own figures has found, which is about responses."""
    found = run.comparison if table == RESPONSES.name else None
    return {"verdict": found["verdict"], "verdict_detail": json.dumps(found)} if found else {}
