"""Builds the marts when they are asked for, and after loads that have changed something where the setting says so."""

import hashlib
import json
import logging
from pathlib import Path
from typing import Any

from dlt import Pipeline

from ..accounts import account
from ..descriptions import RUNS
from ..destinations.comments import write_comments
from ..destinations.layout import FILES, kind_of
from ..destinations.locks import exclusive, kept_open
from ..destinations.queries import Queries, is_empty
from ..dlt_internals import (
    drop_old_packages,
    keep_no_state,
    local_value,
    opened,
    replacing_at_once,
    stored_state,
)
from ..errors import ConfigurationError
from ..insight.build import SCHEMA, SUFFIX, Built, Choices, build, refuse_impossible
from ..insight.model import models
from ..insight.zones import UTC, AccountZone, account_zone
from ..version import VERSION
from .account_settings import AccountSettings, noted_offsets
from .loading import PACKAGES_KEPT, leaving_other_destination
from .report import as_table
from .run import Run
from .runtime import files, source_setting

FOLDER = ".marts"
"""Beside the working folder of the pipeline whose tables they are made of."""
BUILT_OF = "marts_built_of"
NAMED_MAX = 20
LAST_COMPARISON = f"""
SELECT verdict_detail FROM {RUNS} WHERE verdict_detail IS NOT NULL ORDER BY started_at DESC LIMIT 1
"""  # noqa: S608

log = logging.getLogger("wootric_pipeline.command")


def wants_marts() -> bool:
    """Whether the setting has them built after each load that has changed something."""
    return source_setting("marts", bool, False)


def check_settings(pipeline: Pipeline) -> None:
    """Raises ConfigurationError if a setting is none, or marts cannot be built where it says."""
    refuse_impossible(pipeline, files())
    AccountSettings()


def build_marts(pipeline: Pipeline, run: Run) -> str:
    """Builds them of what is loaded; what was built, for people.

    Args:
        pipeline: That of the loaded tables.
        run: Takes what was built, for machines.

    Raises:
        ConfigurationError: A setting is none, nothing is loaded that they could be made of, or another loader is at
            work.
        PipelineStepFailed: dlt or the destination failed; each mart stays as it was, or is as it has to be.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    check_settings(pipeline)
    with exclusive(pipeline, wait=run.waits), kept_open(pipeline, wait=run.waits):
        if is_empty(pipeline, account().source):
            raise ConfigurationError(f"Nothing was loaded into the dataset {pipeline.dataset_name} yet; load it first.")
        chosen = choices(pipeline)
        built = _built(pipeline, chosen)
    run.marts = _as_json(pipeline, built, chosen)
    return "\n".join(_as_text(pipeline, built, chosen))


def build_marts_of_changes(pipeline: Pipeline, run: Run) -> str:
    """As `build_marts`, unless nothing has changed since they were built by the same settings; nothing then."""
    if not (run.refreshed or run.rows or run.deleted) and _is_built(pipeline):
        log.info("The marts are those of the last load.")
        return ""
    return build_marts(pipeline, run)


def choices(pipeline: Pipeline) -> Choices:
    """What the marts are built by: settings, and what the last comparison with Wootric's own figures has seen."""
    of_account = AccountSettings()
    if of_account.time_zone:
        zone = AccountZone(of_account.time_zone, "setting")
    else:
        zone = _shown_zone(pipeline) or _seen_zone(pipeline) or AccountZone(UTC, "assumed")
    return Choices(zone, of_account.surveys, of_account.counting, files())


def _shown_zone(pipeline: Pipeline) -> AccountZone | None:
    """The zone in which the API has shown times while they were loaded; None if they leave that open."""
    noted = noted_offsets(stored_state(pipeline) or {})
    if not noted:
        return None
    found = account_zone(noted, *(edge(each.moment for each in noted).date() for edge in (min, max)))
    return found if found is not None and found.known_by == "offsets" else None


def _seen_zone(pipeline: Pipeline) -> AccountZone | None:
    """The zone in whose offsets the API has shown times when figures were last compared; None if they were not."""
    queries = Queries(pipeline, RUNS)
    if RUNS not in queries.tables or "verdict_detail" not in queries.columns(RUNS):
        return None
    for (detail,) in queries.rows(LAST_COMPARISON):
        told = json.loads(detail) if isinstance(detail, str) else detail
        if told["time_zone"] and told["zone_is_known_by"] != "setting":
            return AccountZone(told["time_zone"], told["zone_is_known_by"])
    return None


def marts_of(pipeline: Pipeline) -> Queries:
    """The marts, to be asked.

    Args:
        pipeline: That of the loaded tables.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    try:
        return Queries(marts_pipeline(pipeline), SCHEMA)
    finally:
        pipeline.activate()


def has_marts(pipeline: Pipeline) -> bool:
    """Whether marts were ever built of what is loaded, here or on another machine.

    Raises:
        Exception: Whatever the destination raises when it cannot be reached.
    """
    return bool(marts_of(pipeline).tables)


def _built(pipeline: Pipeline, chosen: Choices) -> Built:
    marts = marts_pipeline(pipeline)
    try:
        with leaving_other_destination(marts):
            # What an earlier run has left is of rows that may have changed.
            marts.abort_packages()
            built_of = _key(pipeline, chosen)
            marts.set_local_state_val(BUILT_OF, "")
            built = build(pipeline, account().source, marts, chosen)
            texts = {name: each.text.replace("`", "") for name, each in models().items()}
            write_comments(marts, describe=_described, tables=texts)
            marts.set_local_state_val(BUILT_OF, built_of)
            drop_old_packages(marts, PACKAGES_KEPT)
    finally:
        pipeline.activate()
    return built


def _described(name: str) -> dict[str, str]:
    return {column: str(hints["description"]) for column, hints in models()[name].hints.items()}


def marts_pipeline(pipeline: Pipeline) -> Pipeline:
    """The pipeline of the marts of another's tables; of the same name, so that it has the same settings."""
    marts, _ = opened(
        pipeline.pipeline_name,
        str(Path(pipeline.working_dir).parent / FOLDER),
        pipeline.destination if kind_of(pipeline) == FILES else replacing_at_once(pipeline.destination),
        f"{pipeline.dataset_name}{SUFFIX}",
    )
    keep_no_state(marts)
    return marts


def _is_built(pipeline: Pipeline) -> bool:
    marts = marts_pipeline(pipeline)
    try:
        with leaving_other_destination(marts):
            return bool(local_value(marts, BUILT_OF) == _key(pipeline, choices(pipeline)))
    finally:
        pipeline.activate()


def _key(pipeline: Pipeline, chosen: Choices) -> str:
    """Tells what marts are made of: the last load, settings, and the models themselves."""
    made_of = [
        VERSION,
        Queries(pipeline, account().source).last_load,
        chosen,
        [each.query for each in models().values()],
    ]
    return hashlib.sha256(repr(made_of).encode()).hexdigest()


def _as_text(pipeline: Pipeline, built: Built, chosen: Choices) -> list[str]:
    lines = as_table(["mart", "rows"], [[name, f"{rows:,}"] for name, rows in built.rows.items()])
    if chosen.unheeded:
        lines.append(f"Marts do not follow {', '.join(chosen.unheeded)} of counting.")
    if chosen.zone.known_by == "assumed":
        lines.append(
            f"Days are those of {chosen.zone.name}, which is assumed; set time_zone under [{account().section}] to "
            "the account's, such as America/Los_Angeles."
        )
    lines += remarks(built)
    marts = f"{len(built.rows)} marts into {pipeline.destination.destination_name}"
    return [*lines, f"{marts}, dataset {pipeline.dataset_name}{SUFFIX}, in {built.seconds:.1f} s."]


def remarks(built: Built) -> list[str]:
    """What is to be said of what was built, a sentence each."""
    said = []
    if built.undecided:
        named = ", ".join(map(str, built.undecided[:NAMED_MAX])) + (" and others" * (len(built.undecided) > NAMED_MAX))
        surveys = "survey" if len(built.undecided) == 1 else "surveys"
        said.append(
            f"What the scores of {surveys} {named} are is undecided, so no figure has them; say nps, csat or ces of "
            f"each by surveys under [{account().section}]."
        )
    unfit = sorted(survey for survey, each in built.surveys.items() if survey is not None and not each.fits)
    if unfit:
        said.append(f"Scores of {', '.join(map(str, unfit[:NAMED_MAX]))} are out of the range of what surveys says.")
    if built.missing:
        said.append(f"Not loaded, or without a row or in another form: {', '.join(built.missing)}; null in the marts.")
    if built.has_unread_properties:
        said.append(
            "fct_response_properties is empty: properties of one JSON column cannot be read at this destination."
        )
    return said


def _as_json(pipeline: Pipeline, built: Built, chosen: Choices) -> dict[str, Any]:
    return {
        "dataset": f"{pipeline.dataset_name}{SUFFIX}",
        "tables": dict(built.rows),
        "time_zone": {"name": chosen.zone.name, "known_by": chosen.zone.known_by},
        "surveys": {
            str(survey): {"metric": each.metric, "known_by": each.known_by} for survey, each in built.surveys.items()
        },
        "undecided_surveys": built.undecided,
        "counting": chosen.heeded,
        "missing": list(built.missing),
        "seconds": round(built.seconds, 3),
    }
