"""Has pipelines take turns at a dataset, whoever runs them: dlt tells a tracker when a run begins and ends."""

import logging
from contextlib import ExitStack
from typing import Any

from dlt import Pipeline

from ..dlt_internals import add_tracker, pending_schemas
from .locks import exclusive

log = logging.getLogger("wootric_pipeline.destinations")


class Turns:
    """A tracker of dlt's that keeps the dataset of a pipeline locked while this loads the tables of a source.

    It is locked from the beginning of `run`, before dlt asks the destination for its state, or of `load` by itself, and
    free again when that has ended, however it ends. What an interrupted run has left is given up when `run` begins:
    dlt would load that, and nothing of what it is asked for (1.31).

    dlt calls no tracker where `enable_runtime_trace` is off.
    """

    def __init__(self) -> None:
        self._schemas: set[str] = set()
        self._locks: dict[int, list[ExitStack]] = {}

    def of_source(self, schema: str) -> None:
        """Looks after pipelines that load a source from now on; its schema has its name."""
        self._schemas.add(schema)
        add_tracker(self)

    def begin(self, pipeline: Pipeline) -> None:
        """Waits until the dataset is locked for the pipeline that runs; it may be locked already.

        Raises:
            Exception: Whatever the destination raises when it cannot be reached.
        """
        if locks := self._locks.get(id(pipeline)):
            locks[-1].enter_context(exclusive(pipeline, wait=True))

    def on_start_trace(self, _trace: object, step: str, pipeline: Pipeline) -> None:
        """Called by dlt before a run or a single step."""
        self._locks.setdefault(id(pipeline), []).append(ExitStack())
        if step != "run":
            return
        try:
            self._try_to_begin(pipeline)
            self._give_up_pending(pipeline)
        except Exception as error:
            log.warning("What an earlier run has left cannot be given up: %s.", type(error).__name__)
        except BaseException:
            # Of an interrupt in here, dlt does not tell that the run has ended.
            self._end(pipeline)
            raise

    def on_start_trace_step(self, _trace: object, step: str, pipeline: Pipeline) -> None:
        """Called by dlt before each step."""
        if step == "load":
            self._try_to_begin(pipeline)

    def on_end_trace_step(self, *_about: Any) -> None:
        """Called by dlt after each step."""

    def on_end_trace(self, _trace: object, pipeline: Pipeline, _send_state: bool) -> None:
        """Called by dlt after a run or a single step, however it has ended."""
        self._end(pipeline)

    def _end(self, pipeline: Pipeline) -> None:
        # A source that is made while a run is under way learns of its end alone.
        if locks := self._locks.get(id(pipeline)):
            lock = locks.pop()
            if not locks:
                del self._locks[id(pipeline)]
            lock.close()

    def _try_to_begin(self, pipeline: Pipeline) -> None:
        """As `begin`, for pipelines that are or may become the source's."""
        names = set(pipeline.schema_names)
        if pipeline.destination is None or (names and not names & self._schemas):
            return
        try:
            self.begin(pipeline)
        except Exception as error:
            # The step, which needs the destination as well, fails by itself, and dlt tells why.
            log.info("The dataset %s cannot be locked: %s.", pipeline.dataset_name, type(error).__name__)

    def _give_up_pending(self, pipeline: Pipeline) -> None:
        schemas = pending_schemas(pipeline)
        if schemas and schemas <= self._schemas:
            log.warning("What an earlier run has read and not loaded is given up, and read again.")
            pipeline.abort_packages()


turns = Turns()
"""The one that dlt knows."""
