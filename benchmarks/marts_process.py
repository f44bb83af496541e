"""Loads responses, or builds the marts of them and prints the seconds as JSON; `benchmarks.marts` runs it.

`marts_process.py DESTINATION FILES ROWS` loads so many responses; without any to load it builds.
"""

import json
import sys

import dlt

from benchmarks.increment import first_load
from wootric_pipeline.command.marts import build_marts
from wootric_pipeline.command.run import Run
from wootric_pipeline.destinations.layout import layout


def main() -> None:
    """Loads or builds."""
    destination, files, rows = sys.argv[1:]
    pipeline = dlt.pipeline("wootric_pipeline", destination=destination, dataset_name="wootric")
    if int(rows):
        first_load(pipeline, int(rows), layout(destination, files))
        return
    run = Run()
    build_marts(pipeline, run)
    print(json.dumps(run.marts))


if __name__ == "__main__":
    main()
