"""Which pipeline a run is of: its name, its destination and its dataset."""

import argparse
import hashlib
import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import dlt
from dlt import Pipeline
from dlt.common.pipeline import get_dlt_pipelines_dir

from ..accounts import account
from ..destinations.layout import FILES, check_same_files, kind_of
from ..destinations.queries import Queries, is_empty
from ..dlt_internals import opened, pipelines_in, settle_credentials, stored_state, tables_in, trace_file
from ..errors import ConfigurationError
from ..settings import shown
from ..state import ACCOUNT
from ..tables import TABLES
from .lock import exclusive_run
from .runtime import setting

PIPELINE_NAME = "wootric_pipeline"
DEMO_PIPELINE_NAME = "wootric_demo"
DEFAULT_DESTINATION = "duckdb"
DEFAULT_DATASET = "wootric"
RANGE = re.compile("_[0-9]{5,8}T[0-9]{6}_[0-9]{5,8}T[0-9]{6}_[0-9a-f]{8}")
"""What the name of a range's working folder has behind that of the pipeline."""
OF_MERGING = re.compile("[^a-z0-9]staging[^a-z0-9]*$", re.IGNORECASE)
"""A dataset of such a name is emptied by loads into another, which keep there what they merge."""
DUCKDB_FILE_SETTINGS = ("destination.duckdb.credentials", "destination.credentials", "credentials")

log = logging.getLogger("wootric_pipeline.command")


def pipeline_of(options: argparse.Namespace) -> Pipeline:
    """The dlt pipeline that the command line asks for.

    Raises:
        ConfigurationError: The name of the dataset is taken by DuckDB's file, or for merging.
    """
    place = _of_demo(options) if options.demo else configured(options.destination, options.dataset)
    return pipeline_to(pipeline_name(is_demo=options.demo), *place, is_demo=options.demo)


def pipeline_to(
    name: str,
    destination: Any,
    dataset: str,
    *,
    folder: str | None = None,
    is_demo: bool = False,
) -> Pipeline:
    """A dlt pipeline.

    Args:
        name: Its name.
        destination: Where it loads to: a name, or one of dlt's objects.
        dataset: Into which dataset there.
        folder: In which its working folder is; empty is where dlt keeps all of them.
        is_demo: Whether it is the demo's, which takes no setting of DuckDB's.

    Raises:
        ConfigurationError: The name of the dataset is taken by DuckDB's file, or for merging.
    """
    to: Any = destination
    is_own = destination == DEFAULT_DESTINATION and (is_demo or not any(map(dlt.config.get, DUCKDB_FILE_SETTINGS)))
    if is_own:
        # dlt would put it where a pipeline of that name first ran.
        to = dlt.destinations.duckdb(str(Path.cwd() / f"{_file_name(name)}.duckdb"))
    pipeline, is_forgotten = opened(name, folder or get_dlt_pipelines_dir(), to, dataset)
    if is_forgotten:
        log.info("The working folder was left in the midst of a change: it is restored from the destination.")
    if is_own:
        settle_credentials(pipeline)
    if kind_of(pipeline) == "duckdb" and pipeline.dataset_name == _file_name(name):
        raise ConfigurationError(
            "The dataset must not have the name of the DuckDB file; choose another with --dataset."
        )
    if kind_of(pipeline) != FILES and OF_MERGING.search(pipeline.dataset_name):
        raise ConfigurationError(
            "The dataset must not end in _staging, which is where rows of another are merged from; choose another with "
            "--dataset."
        )
    return pipeline


def pipeline_name(*, is_demo: bool = False) -> str:
    """By which dlt finds the working folder, and the state in a dataset."""
    if is_demo:
        return DEMO_PIPELINE_NAME
    return f"{DEFAULT_DATASET}_{account().name}" if account().name else PIPELINE_NAME


def _file_name(name: str) -> str:
    """Of DuckDB's file; an account's dataset has the name of its pipeline, and DuckDB could not tell them apart."""
    return f"{name}_pipeline" if account().name else name


def configured(destination: Any, dataset: str | None) -> tuple[Any, str]:
    """Destination and dataset: those given, or of dlt's settings, or duckdb and wootric.

    Accounts have datasets of their own: what is set for all of them is the beginning of their names.

    Args:
        destination: None is not given.
        dataset: None is not given.
    """
    section = f"pipelines.{pipeline_name()}."
    common = setting("dataset_name", str, DEFAULT_DATASET)
    own = f"{common}_{account().name}" if account().name else common
    return (
        destination
        or setting(f"{section}destination_type", str, "")
        or setting("destination_type", str, DEFAULT_DESTINATION),
        dataset or setting(f"{section}dataset_name", str, "") or own,
    )


def _of_demo(options: argparse.Namespace) -> tuple[str, str]:
    """Destination and dataset of the demo, whose rows must never meet real ones: no setting names them."""
    destination = options.destination or DEFAULT_DESTINATION
    # DuckDB's file is its own, and must not have the name of the dataset.
    return destination, options.dataset or (
        DEFAULT_DATASET if destination == DEFAULT_DESTINATION else DEMO_PIPELINE_NAME
    )


def range_folder(first: datetime, last: datetime, what: object) -> Path:
    """The working folder of a range.

    Args:
        first: Where it begins.
        last: Where it ends.
        what: Tells it from others of the same time.
    """
    digest = hashlib.sha256(repr(what).encode()).hexdigest()[:8]
    return Path(get_dlt_pipelines_dir(), f"{pipeline_name()}_{first:%Y%m%dT%H%M%S}_{last:%Y%m%dT%H%M%S}_{digest}")


def remove_killed_ranges() -> None:
    """Removes what ranges have left whose processes were killed; one that is under way keeps its folder.

    Raises:
        OSError: It cannot be removed.
    """
    for folder in Path(get_dlt_pipelines_dir()).glob(f"{pipeline_name()}_*/"):
        if RANGE.fullmatch(folder.name.removeprefix(pipeline_name())):
            with suppress(ConfigurationError), exclusive_run(folder.name, folder.parent):
                shutil.rmtree(folder)


def keep_apart(pipeline: Pipeline) -> None:
    """Makes sure that the demo's rows and real ones, or those of two accounts, never come into one dataset.

    Raises:
        ConfigurationError: They would.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    others = pipelines_in(pipeline)
    if pipeline.pipeline_name != DEMO_PIPELINE_NAME:
        if DEMO_PIPELINE_NAME in others:
            raise ConfigurationError(
                f"The dataset {pipeline.dataset_name} holds the demo's invented rows; choose another with --dataset, "
                "or drop it."
            )
        _keep_accounts_apart(pipeline, others - {pipeline.pipeline_name})
    elif others - {DEMO_PIPELINE_NAME} or (not others and tables_in(pipeline, list(TABLES))):
        raise ConfigurationError(
            f"The dataset {pipeline.dataset_name} holds tables that are not the demo's; choose another with --dataset."
        )


def keep_form(pipeline: Pipeline, files: str) -> None:
    """Makes sure that tables of files go on in the form in which they were loaded; see `check_same_files`.

    Args:
        pipeline: Whose dataset.
        files: The setting for destinations that keep files.
    """
    if kind_of(pipeline) == FILES and not is_empty(pipeline, account().source):
        check_same_files(Queries(pipeline, account().source).schema, FILES, files)


def _keep_accounts_apart(pipeline: Pipeline, others: set[str]) -> None:
    for name in sorted(others):
        sources: dict[str, Any] = (stored_state(pipeline, name) or {}).get("sources", {})
        if any(ACCOUNT in state for source, state in sources.items() if source != account().source):
            raise ConfigurationError(
                f"The dataset {pipeline.dataset_name} holds the rows of another account, loaded by {shown(name)}; "
                "choose another with --dataset."
            )


@contextmanager
def no_trace_of_failures(pipeline: Pipeline) -> Iterator[None]:
    """Keeps dlt's trace of the last load that succeeded, and none of one that fails.

    That repeats what the destination says, which may hold rows.
    """
    file = trace_file(pipeline)
    kept = file.read_bytes() if file.exists() else None
    try:
        yield
    except BaseException:
        file.unlink(missing_ok=True)
        if kept is not None:
            file.write_bytes(kept)
        raise
