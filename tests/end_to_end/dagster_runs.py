"""Materialises the assets of deploy/ without a daemon, in Dagster's environment: a program of `test_dagster.py`'s.

It appends a line of JSON to a file for each run: whether it succeeded, its partition, and the metadata of its assets.
"""

import json
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import dagster_defs
from dlt.common.pipeline import NormalizeInfo

MONTHS = 3


def run(assets: list[Any], partition: str | None = None, names: list[str] | None = None) -> None:
    ended = dg.materialize(
        assets,
        instance=dg.DagsterInstance.ephemeral(),
        partition_key=partition,
        resources=dict(dagster_defs.defs.resources or {}),
        selection=[dg.AssetKey(["wootric", name]) for name in names] if names else None,
        raise_on_error=False,
    )
    events = ended.get_asset_materialization_events()
    metadata = {
        event.materialization.asset_key.path[-1]: {
            name: value.value for name, value in event.materialization.metadata.items() if isinstance(value.value, int)
        }
        for event in events
    }
    with Path(sys.argv[2]).open("a", encoding="utf-8") as file:
        told = {"succeeded": ended.success, "partition": partition, "metadata": metadata, "failures": failures(ended)}
        told["tried_again"] = any(event.is_step_up_for_retry for event in ended.all_events)
        print(json.dumps(told), file=file)


def failures(ended: dg.ExecuteInProcessResult) -> list[str | None]:
    """What was said of each step that failed."""
    given = [event.step_failure_data.user_failure_data for event in ended.all_events if event.is_step_failure]
    return [each.description if each else None for each in given]


if sys.argv[1] in ("hourly", "hourly_miscounted"):
    if sys.argv[1] == "hourly_miscounted":
        # As where dlt writes CSV, whose cells it counts.
        NormalizeInfo.row_counts = property(lambda _: {"responses": 10_000})  # type: ignore[method-assign,assignment]
    run([dagster_defs.tables, dagster_defs.marts])
elif sys.argv[1] == "responses":
    run([dagster_defs.tables], names=["responses"])
else:
    for key in dagster_defs.months.partitions_def.get_partition_keys()[:MONTHS]:
        run([dagster_defs.months], key)
