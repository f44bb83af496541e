"""Loads as a program of a user's does, with plain dlt, whatever it is told on stdin: a line of JSON for each load.

Between the copy of rows and their merge it waits a random while, to meet other loaders there, or dies. It answers each
line with lines of JSON: that it waits for another loader, and that all went well, or the error.
"""

import json
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import dlt
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient
from dlt.destinations.impl.filesystem.filesystem import DeltaLoadFilesystemJob
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient
from dlt.destinations.impl.sqlalchemy.db_api_client import SqlalchemyClient
from dlt.pipeline.exceptions import PipelineStepFailed

from wootric_pipeline import wootric_source

DELAY_SECONDS_MAX = 0.05
dies = False
"""Whether it kills itself before it merges rows."""


def dawdle(owner: type, name: str, chance: random.Random, matters: Callable[[str], bool] = lambda _query: True) -> None:
    """Has a method wait a random while before it does its work, if its first argument matters."""
    method = getattr(owner, name)

    def delayed(self: Any, *words: Any, **named: Any) -> Any:
        if matters(str(words[0]) if words else ""):
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(chance.uniform(0, DELAY_SECONDS_MAX))
        return method(self, *words, **named)

    setattr(owner, name, delayed)


def load(order: dict[str, Any]) -> dict[str, Any]:
    """Does one load.

    Args:
        order: `destination`, `dataset`, and `source` with the arguments of `wootric_source`; whether it `forgets` all
            about it afterwards, and `dies` in the load step.
    """
    global dies
    dies = bool(order.get("dies"))
    pipeline = dlt.pipeline("wootric_pipeline", destination=order["destination"], dataset_name=order["dataset"])
    source = wootric_source(**order["source"])
    try:
        pipeline.run(source)
    except PipelineStepFailed as failure:
        return {"error": f"{failure.step}: {failure.exception}"}
    finally:
        if order.get("forgets"):
            pipeline.drop()
            pipeline.deactivate()
    return {"ok": True}


def answer(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class Waiting(logging.Handler):
    """Tells that it waits."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("Waits for"):
            answer({"waits": True})


def main(seed: str) -> None:
    """Loads until stdin ends."""
    log = logging.getLogger("wootric_pipeline.destinations")
    log.setLevel(logging.INFO)
    log.addHandler(Waiting())
    chance = random.Random(seed)
    for client in (Psycopg2SqlClient, DuckDbSqlClient, SqlalchemyClient):
        dawdle(client, "execute_query", chance, lambda query: "DELETE" in query or "INSERT" in query)
    dawdle(DeltaLoadFilesystemJob, "run", chance)
    for line in sys.stdin:
        answer(load(json.loads(line)))


if __name__ == "__main__":
    main(sys.argv[1])
