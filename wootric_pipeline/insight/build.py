"""Builds the marts: the models, one layer after the other.

Databases make them themselves, by dlt's models. Delta and Iceberg tables are read by a DuckDB in memory, which makes
all models, and what they hold is written back by way of Arrow.
"""

import logging
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

import dlt
from dlt import Pipeline, Schema
from dlt.sources import DltResource
from sqlglot import exp

from ..accounts import account
from ..destinations.delta import vacuum
from ..destinations.layout import FILES, Layout, described_as, kind_of, layout
from ..destinations.queries import Queries, in_utc
from ..dlt_internals import relation
from ..errors import ConfigurationError
from .counting import Rule
from .dates import FIRST_DATE, LAST_DATE, account_days
from .loaded import Loaded, Place
from .model import DIALECT, Model, layers, models, parsed
from .surveys import Metric, SurveyMetric, SurveyScores, metrics
from .zones import AccountZone

SCHEMA = "wootric_marts"
SUFFIX = "_marts"
"""Of the dataset of marts, behind the name of that of the loaded tables."""

BUILDING = ("duckdb", "motherduck", "ducklake", "postgres", "redshift", "snowflake", "bigquery", "databricks")
"""Kinds of databases that make the models themselves.

At others they could be wrong: SQLite has each dataset in a file of its own, SQL Server no values that are true or
false, ClickHouse other values than null where a join finds nothing, and Athena no transactions.
"""

_SCORES = """
SELECT survey_id, MIN(score), MAX(score), COUNT(score)
FROM (SELECT survey_id, score FROM responses UNION ALL SELECT survey_id, CAST(NULL AS BIGINT) FROM declines) AS asks
GROUP BY survey_id
"""
_SPAN = """
SELECT MIN(created_at), MAX(created_at)
FROM (SELECT created_at FROM responses UNION ALL SELECT created_at FROM declines) AS asks
"""

log = logging.getLogger("wootric_pipeline.insight")


UNHEEDED = ("undecided_surveys", "all_surveys", "latest", "last_day_out")
"""Words of the setting `counting` that marts do not follow.

Scales that are not known to be the same are not counted together; each person's latest answer is marked, and whoever
asks for a range of days says where it ends.
"""


class Choices(NamedTuple):
    """What marts are built by.

    Attributes:
        zone: The account's.
        surveys: Which metric surveys are said to be.
        counting: Which responses count.
        files: How destinations that keep files lay tables out.
    """

    zone: AccountZone
    surveys: Mapping[int, Metric] = MappingProxyType({})
    counting: Rule = Rule()
    files: str = "delta"

    @property
    def heeded(self) -> list[str]:
        """The words of the setting `counting` that are followed."""
        return [word for word in self.counting.setting if word not in UNHEEDED]

    @property
    def unheeded(self) -> list[str]:
        """Those that are not."""
        return [word for word in self.counting.setting if word in UNHEEDED]


@dataclass(frozen=True)
class Built:
    """What was built.

    Attributes:
        rows: Of each mart, by name.
        surveys: What is known of each survey.
        missing: What is not loaded, and null or empty in the marts.
        has_unread_properties: Whether properties are loaded and could not be read.
        seconds: How long it took.
    """

    rows: Mapping[str, int]
    surveys: Mapping[int | None, SurveyMetric]
    missing: Sequence[str] = field(default_factory=list)
    has_unread_properties: bool = False
    seconds: float = 0.0

    @property
    def undecided(self) -> list[int]:
        """The surveys that no figure can have, since nobody has said what they are."""
        return sorted(survey for survey, each in self.surveys.items() if each.metric is None and survey is not None)


class Workshop(Place, Protocol):
    """Where the models are made, and queried."""

    def mart(self, name: str) -> exp.Table:
        """A model that is made, as queries name it."""

    def rows(self, query: exp.Query) -> list[tuple[Any, ...]]:
        """What a query gives."""

    def make(self, layer: Sequence[Model], bound: Mapping[str, exp.Query], days: Sequence[Any]) -> None:
        """Makes the models of a layer, of their queries, and the days, if they are in it."""

    def finish(self) -> None:
        """Writes what is not written by then."""


def refuse_impossible(pipeline: Pipeline, files: str) -> None:
    """Raises ConfigurationError where the marts cannot be built.

    Args:
        pipeline: That of the loaded tables.
        files: The setting for destinations that keep files.
    """
    kind = kind_of(pipeline)
    if kind == FILES:
        if layout(kind, files).appends:
            raise ConfigurationError(
                f'Marts cannot be built of {files} files, which keep all versions of a row; set files = "delta" or '
                f'"iceberg" under [{account().section}], and load into another dataset.'
            )
    elif kind not in BUILDING:
        raise ConfigurationError(f"Marts cannot be built at {kind}, only at {', '.join(BUILDING)} and of files.")


def build(pipeline: Pipeline, schema: str, marts: Pipeline, chosen: Choices) -> Built:
    """Builds all of them.

    Args:
        pipeline: That of the loaded tables; nobody else may load meanwhile.
        schema: The name of their schema.
        marts: That of the marts, with a dataset of its own at the same destination.
        chosen: What they are built by.

    Raises:
        ConfigurationError: What they are made of is not loaded.
        PipelineStepFailed: dlt or the destination failed.
        Exception: Whatever the destination raises when it cannot be reached.
    """
    began = time.monotonic()
    queries = Queries(pipeline, schema)
    laid_out = layout(kind_of(pipeline), chosen.files)
    with _workshop(pipeline, queries, marts, laid_out) as workshop:
        loaded = Loaded(queries.schema, queries.tables, workshop)
        surveys = make(workshop, loaded, chosen)
        workshop.finish()
        rows = {name: _count(workshop, name) for name in models()}
    return Built(rows, surveys, loaded.missing, loaded.has_unread_properties, time.monotonic() - began)


def make(workshop: Workshop, loaded: Loaded, chosen: Choices) -> dict[int | None, SurveyMetric]:
    """Makes all models, each layer of those before; what is known of each survey.

    Args:
        workshop: Where.
        loaded: What they are made of.
        chosen: What they are built by.

    Raises:
        ConfigurationError: What they are made of is not loaded.
        Exception: Whatever the destination raises.
    """
    rule = chosen.counting
    if rule.completed:
        loaded.require("completed", 'counting = ["completed"]')
    asked = partial(_answers, workshop, loaded.queries({}, rule))
    surveys = metrics(map(_scores, asked(_SCORES)), chosen.surveys)
    days = list(_days(rule.zone or chosen.zone.name, asked(_SPAN)))
    sources = loaded.queries(surveys, rule)
    for layer in layers():
        bound = {each.name: _bound(each.parsed, sources, workshop) for each in layer if each.query}
        workshop.make(layer, bound, days)
        log.info("Built %s.", ", ".join(each.name for each in layer))
    return surveys


def _scores(row: tuple[Any, ...]) -> SurveyScores:
    # Some databases have decimals for what is counted.
    survey, lowest, highest, count = (None if value is None else int(value) for value in row)
    return SurveyScores(survey, lowest, highest, count or 0)


def _answers(workshop: Workshop, sources: Mapping[str, exp.Query], query: str) -> list[tuple[Any, ...]]:
    return workshop.rows(_bound(parsed(query), sources, workshop))


def _count(workshop: Workshop, name: str) -> int:
    return int(workshop.rows(exp.select(exp.func("COUNT", exp.Star())).from_(workshop.mart(name)))[0][0])


def _days(zone: str, spans: Sequence[tuple[Any, ...]]) -> Iterator[Any]:
    first, last = map(in_utc, spans[0])
    if first is None or last is None:
        return
    earliest = datetime(FIRST_DATE.year, 1, 5, tzinfo=timezone.utc)
    latest = datetime(LAST_DATE.year, 12, 25, tzinfo=timezone.utc)
    yield from account_days(ZoneInfo(zone), min(max(first, earliest), latest), max(min(last, latest), earliest))


def _bound(query: exp.Query, sources: Mapping[str, exp.Query], workshop: Workshop) -> exp.Query:
    """A query of the models' with the names of a destination, each as it is spelled and quoted there."""
    query = query.copy()
    own = {each.alias for each in query.find_all(exp.CTE)}
    for table in list(query.find_all(exp.Table)):
        if table.name in own:
            continue
        alias = table.alias or table.name
        is_source = table.name in sources
        table.replace(sources[table.name].copy().subquery(alias) if is_source else workshop.mart(table.name).as_(alias))
    for identifier in list(query.find_all(exp.Identifier)):
        if not identifier.quoted:
            identifier.replace(workshop.name(identifier.name))
    return query


@contextmanager
def _workshop(pipeline: Pipeline, queries: Queries, marts: Pipeline, laid_out: Layout) -> Iterator[Workshop]:
    with ExitStack() as stack:
        if kind_of(pipeline) == FILES:
            connection = stack.enter_context(queries.in_memory())
            yield InMemory(connection, marts, laid_out)
        else:
            # A DuckDB file is opened again for each step otherwise, which takes longer than the step.
            client: Any = pipeline.sql_client()
            loaded = stack.enter_context(client)
            yield InDestination(loaded, marts, laid_out)


class InDestination:
    """A database that makes the models itself; see `Workshop`."""

    # The client of the loaded tables is open: what a connection costs is paid once.
    def __init__(self, loaded: Any, marts: Pipeline, laid_out: Layout) -> None:
        self._laid_out = laid_out
        self._pipeline = marts
        self._loaded = loaded
        self._marts: Any = marts.sql_client()
        self._dataset = marts.dataset(schema=Schema(SCHEMA))

    @property
    def dialect(self) -> str:
        """See `Place`."""
        return str(self._dataset.destination_dialect)

    def loaded(self, table: str) -> exp.Table:
        """See `Place`."""
        return _table(self._loaded.make_qualified_table_name_path(table, quote=False))

    def name(self, identifier: str) -> exp.Identifier:
        """See `Place`."""
        spelled: str = self._marts.capabilities.casefold_identifier(identifier)
        return exp.to_identifier(spelled, quoted=True)

    def mart(self, name: str) -> exp.Table:
        """See `Workshop`."""
        return _table(self._marts.make_qualified_table_name_path(name, quote=False))

    def rows(self, query: exp.Query) -> list[tuple[Any, ...]]:
        """See `Workshop`."""
        return list(self._loaded.execute_sql(query.sql(self.dialect)) or ())

    def make(self, layer: Sequence[Model], bound: Mapping[str, exp.Query], days: Sequence[Any]) -> None:
        """See `Workshop`; what readers see changes when the rows of a table are all there, in one transaction."""
        # A model has no file, of which dlt could be told the format.
        of_models = replace(self._laid_out, file_format=None)
        resources = [
            _resource(each, relation(self._dataset, bound[each.name]), of_models)
            if each.name in bound
            else _resource(each, [day._asdict() for day in days] or dlt.mark.materialize_table_schema(), self._laid_out)
            for each in layer
        ]
        load(self._pipeline, resources)

    def finish(self) -> None:
        """See `Workshop`."""


class InMemory:
    """A DuckDB in memory that reads tables of files, and whose own are written back in the end; see `Workshop`."""

    dialect = DIALECT

    def __init__(self, connection: Any, marts: Pipeline, laid_out: Layout) -> None:
        self._connection, self._marts, self._laid_out = connection, marts, laid_out

    def loaded(self, table: str) -> exp.Table:
        """See `Place`."""
        return _table([table])

    def name(self, identifier: str) -> exp.Identifier:
        """See `Place`."""
        return exp.to_identifier(identifier, quoted=True)

    def mart(self, name: str) -> exp.Table:
        """See `Workshop`."""
        return _table(["memory", SCHEMA, name])

    def rows(self, query: exp.Query) -> list[tuple[Any, ...]]:
        """See `Workshop`."""
        found: list[tuple[Any, ...]] = self._connection.execute(query.sql(DIALECT)).fetchall()
        return found

    def make(self, layer: Sequence[Model], bound: Mapping[str, exp.Query], days: Sequence[Any]) -> None:
        """See `Workshop`."""
        self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        for each in layer:
            table, columns = self.mart(each.name).sql(DIALECT), ", ".join(_defined(each))
            self._connection.execute(f"CREATE TABLE {table} ({columns})")
            if each.name in bound:
                self._connection.execute(f"INSERT INTO {table} {bound[each.name].sql(DIALECT)}")
            elif days:
                self._connection.register("days", _as_arrow(days))
                self._connection.execute(f"INSERT INTO {table} FROM days")

    def finish(self) -> None:
        """See `Workshop`; each table is replaced by one commit."""
        tables = {
            name: self._connection.execute(f"FROM {self.mart(name).sql(DIALECT)}").to_arrow_table() for name in models()
        }
        load(self._marts, [_resource(models()[name], table, self._laid_out) for name, table in tables.items()])
        vacuum(self._marts)


_DUCKDB_TYPES = {"bigint": "BIGINT", "bool": "BOOLEAN", "date": "DATE", "double": "DOUBLE", "text": "VARCHAR",
                 "timestamp": "TIMESTAMPTZ"}  # fmt: skip


def _as_arrow(rows: Sequence[Any]) -> Any:
    # It takes a while, and databases do without it.
    import pyarrow

    return pyarrow.table(dict(zip(rows[0]._fields, map(list, zip(*rows, strict=True)), strict=True)))


def _defined(model: Model) -> list[str]:
    return [f'"{name}" {_DUCKDB_TYPES[column.data_type]}' for name, column in model.columns.items()]


def _table(path: Sequence[str]) -> exp.Table:
    parts = [exp.to_identifier(part, quoted=True) for part in path]
    return exp.Table(**dict(zip(("this", "db", "catalog"), reversed(parts), strict=False)))


def _resource(model: Model, rows: Any, laid_out: Layout) -> DltResource:
    made = dlt.resource([rows], name=model.name, write_disposition="replace", columns=model.hints)
    return made.apply_hints(
        table_format=laid_out.table_format,
        file_format=laid_out.file_format,
        additional_table_hints=described_as(model.text.replace("`", ""), laid_out),
    )


def load(marts: Pipeline, resources: Sequence[DltResource]) -> None:
    """Loads some marts."""
    marts.extract(resources, schema=marts.default_schema if marts.default_schema_name else Schema(SCHEMA))
    marts.normalize()
    with warnings.catch_warnings():
        # Of Iceberg tables that have no rows yet.
        warnings.filterwarnings("ignore", "Delete operation did not match any records")
        marts.load()
