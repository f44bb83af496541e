"""The command line: `python -m wootric_pipeline.insight.dbt --time-zone Europe/Paris dbt`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ...errors import ConfigurationError
from ..zones import UTC, given_zone
from .project import write


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the project; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m wootric_pipeline.insight.dbt", description="Writes the models as a project of dbt's."
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path("dbt"), help="into which; dbt, if none is named")
    parser.add_argument("--time-zone", default=UTC, metavar="NAME", help="of the account; UTC, if none is named")
    given = parser.parse_args(arguments)
    try:
        write(given.folder, given_zone(given.time_zone))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
