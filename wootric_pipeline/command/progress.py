"""What shows the progress of a run: dlt's own collectors, on stderr."""

import sys
from collections.abc import Callable

from dlt.common.runtime.collector import AliveCollector, EnlightenCollector, LogCollector, TqdmCollector
from dlt.common.runtime.collector_base import Collector

LOG_PERIOD_SECONDS = 10.0

COLLECTORS: dict[str, Callable[[], Collector]] = {
    "tqdm": TqdmCollector,
    "enlighten": EnlightenCollector,
    "alive_progress": AliveCollector,
    "log": lambda: LogCollector(LOG_PERIOD_SECONDS, sys.stderr, dump_system_stats=False),
}


def collector(name: str) -> Collector | None:
    """The collector of a name; None for `none`, and for `auto` where nobody looks."""
    if name == "auto":
        name = "tqdm" if sys.stderr.isatty() else "none"
    return COLLECTORS[name]() if name in COLLECTORS else None
