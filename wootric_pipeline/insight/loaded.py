"""What of the loaded tables the models read, whatever was loaded of them: accounts and settings differ.

A column that is left out, hashed or of another type than documented is null; a table that is not loaded is empty. Tags
and properties get a form that is the same in all accounts.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from dlt import Schema
from dlt.common.schema.typing import TColumnSchema
from sqlglot import exp

from ..errors import ConfigurationError
from ..tables import DECLINES, DELETED_AT, END_USERS, RESPONSES, Table
from .counting import Rule
from .model import DIALECT, parsed
from .surveys import SurveyMetric

READ: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    RESPONSES.name: (
        RESPONSES,
        ("id", "created_at", "end_user_id", "survey_id", "score", "text", "completed", "excluded_from_calculations"),
    ),
    DECLINES.name: (DECLINES, ("id", "created_at", "end_user_id", "survey_id")),
    END_USERS.name: (END_USERS, ("id",)),
}
"""The columns that models read, by table."""
TAGS, PROPERTIES, METRICS, COUNTING = "response_tags", "response_properties", "survey_metrics", "counting"
"""The names by which models read tags, properties, what is known of surveys, and what counts."""

TYPES = {"bigint": "BIGINT", "bool": "BOOLEAN", "double": "DOUBLE", "text": "TEXT", "timestamp": "TIMESTAMPTZ"}
PREFIX = "end_user__properties"
JSON_DIALECTS = ("duckdb", "postgres")
"""In which properties of one JSON column can be read."""

_VARIANT = re.compile(r"__v_[a-z]+\Z")

_JSON_TAGS = "SELECT id AS response_id, UNNEST(FROM_JSON(tags, '[\"VARCHAR\"]')) AS tag FROM responses"
JSON_PROPERTIES = {
    "duckdb": """
        SELECT response_id, property,
            CASE WHEN JSON_TYPE(value) = 'VARCHAR' THEN value ->> '$'
                WHEN JSON_TYPE(value) IN ('BOOLEAN', 'OBJECT', 'ARRAY') THEN CAST(value AS TEXT) END AS value_text,
            CASE WHEN JSON_TYPE(value) IN ('BIGINT', 'UBIGINT', 'HUGEINT', 'DOUBLE')
                THEN CAST(CAST(value AS TEXT) AS DOUBLE) END AS value_number
        FROM (
            SELECT response_id, entry.key AS property, entry.value AS value
            FROM (
                SELECT id AS response_id,
                    UNNEST(MAP_ENTRIES(CAST(CAST(end_user__properties AS JSON) AS MAP(TEXT, JSON)))) AS entry
                FROM responses
            ) AS entries
        ) AS pairs
        WHERE JSON_TYPE(value) <> 'NULL'""",
    "postgres": """
        SELECT responses.id AS response_id, pair.key AS property,
            CASE jsonb_typeof(pair.value) WHEN 'number' THEN NULL ELSE pair.value #>> '{}' END AS value_text,
            CASE jsonb_typeof(pair.value) WHEN 'number' THEN CAST(pair.value #>> '{}' AS DOUBLE PRECISION) END
                AS value_number
        FROM responses CROSS JOIN LATERAL jsonb_each(
            CASE jsonb_typeof(end_user__properties) WHEN 'object' THEN end_user__properties END
        ) AS pair
        WHERE jsonb_typeof(pair.value) <> 'null'""",
}
"""The keys of an object as rows, which each dialect has in its own way."""


class Place(Protocol):
    """Where the loaded tables are."""

    @property
    def dialect(self) -> str:
        """Of SQL, by sqlglot's name for it."""

    def loaded(self, table: str) -> exp.Table:
        """A loaded table, as queries name it."""

    def name(self, identifier: str) -> exp.Identifier:
        """The name of a column, as it is spelled there."""


class Loaded:
    """The loaded tables as the models read them.

    Args:
        schema: Of the loaded tables.
        tables: The names of those that have ever had a row.
        place: Where they are.

    Raises:
        ConfigurationError: There are no responses, or no days of them.
    """

    def __init__(self, schema: Schema, tables: Iterable[str], place: Place) -> None:
        self._columns = {name: schema.get_table_columns(name) for name in tables}
        self._place = place
        if RESPONSES.name not in self._columns:
            raise ConfigurationError("Responses are not loaded yet, and all marts are made of them; load them first.")
        if self._type(RESPONSES.name, "created_at") != "timestamp":
            raise ConfigurationError("responses.created_at is not loaded, and the marts need the day of each response.")

    @property
    def missing(self) -> list[str]:
        """What the models read as null or empty, since it is not loaded."""
        columns = [
            f"{name}.{column}"
            for name, (table, columns) in READ.items()
            for column in columns
            if name in self._columns and self._type(name, column) != table.documented[column]
        ]
        return [*(name for name in READ if name not in self._columns), *columns]

    @property
    def has_unread_properties(self) -> bool:
        """Whether properties are one JSON column in a dialect in which that cannot be read."""
        return self._type(RESPONSES.name, PREFIX) == "json" and self._place.dialect not in JSON_DIALECTS

    def require(self, column: str, by: str) -> None:
        """Raises ConfigurationError if a column of responses is not loaded, which somebody asks for."""
        if f"{RESPONSES.name}.{column}" in self.missing:
            raise ConfigurationError(f"{by} needs responses.{column}, which is not loaded.")

    def queries(self, metrics: Mapping[int | None, SurveyMetric], rule: Rule) -> dict[str, exp.Query]:
        """What models read besides each other, by the name by which they do.

        Args:
            metrics: What is known of surveys.
            rule: Which responses count.
        """
        read = {name: self.table(name) for name in READ}
        counting = exp.select(
            exp.cast(exp.convert(rule.excluded), "BOOLEAN").as_("counts_excluded"),
            exp.cast(exp.convert(not rule.completed), "BOOLEAN").as_("counts_incomplete"),
        )
        made = {TAGS: self._tags(), PROPERTIES: self._properties()}
        return {**read, **made, METRICS: survey_metrics(metrics), COUNTING: counting}

    def table(self, name: str) -> exp.Query:
        """A table with the columns that models read, each of its type."""
        table, columns = READ[name]
        chosen = []
        for column in columns:
            is_there = self._type(name, column) == table.documented[column]
            value: exp.Expression = (
                exp.column(self._place.name(column)) if is_there else _null(table.documented[column])
            )
            chosen.append(value.as_(column))
        if name not in self._columns:
            return _empty(exp.select(*chosen))
        return exp.select(*chosen).from_(self._rows(name))

    def _rows(self, name: str) -> exp.Expr:
        """A loaded table without the rows that Wootric does not have any more."""
        table = self._place.loaded(name)
        if self._type(name, DELETED_AT) is None:
            return table.as_(name)
        gone = exp.column(self._place.name(DELETED_AT))
        return exp.select("*").from_(table).where(gone.is_(exp.null())).subquery(name)

    def _type(self, table: str, column: str) -> str | None:
        columns: Mapping[str, TColumnSchema] = self._columns.get(table, {})
        return columns.get(column, {}).get("data_type")

    def _tags(self) -> exp.Query:
        if self._type(RESPONSES.name, "tags") == "json":
            return self._in(_JSON_TAGS, DIALECT)
        child = f"{RESPONSES.name}__tags"
        if self._type(child, "value") != "text":
            return _empty(exp.select(_null("bigint").as_("response_id"), _null("text").as_("tag")))
        name = self._place.name
        return (
            exp.select(
                exp.column(name("id"), "responses").as_("response_id"), exp.column(name("value"), "tags").as_("tag")
            )
            .from_(self._rows(RESPONSES.name))
            .join(
                self._place.loaded(child).as_("tags"),
                on=exp.column(name("_dlt_parent_id"), "tags").eq(exp.column(name("_dlt_id"), "responses")),
            )
        )

    def _properties(self) -> exp.Query:
        parts = list(self._property_columns())
        if self._type(RESPONSES.name, PREFIX) == "json" and not self.has_unread_properties:
            parts.append(self._in(JSON_PROPERTIES[self._place.dialect], self._place.dialect))
        if not parts:
            parts = [_empty(_property(_null("bigint"), _null("text"), _null("text"), _null("double")))]
        return exp.union(*parts, distinct=False) if len(parts) > 1 else parts[0]

    def _property_columns(self) -> Iterator[exp.Query]:
        for column, about in self._columns[RESPONSES.name].items():
            data_type = about.get("data_type")
            if not column.startswith(f"{PREFIX}__") or data_type is None:
                continue
            value: exp.Expression = exp.column(self._place.name(column))
            as_number = exp.cast(value.copy(), "DOUBLE") if data_type in ("bigint", "double", "decimal") else None
            as_text: exp.Expression | None = value.copy()
            if data_type == "bool":
                as_text = exp.Case(ifs=[exp.If(this=value.copy(), true=exp.Literal.string("true"))],
                                   default=exp.Literal.string("false"))  # fmt: skip
            elif data_type != "text":
                as_text = exp.cast(value.copy(), "TEXT")
            name = exp.Literal.string(_VARIANT.sub("", column.removeprefix(f"{PREFIX}__")))
            row = _property(
                exp.column(self._place.name("id")),
                exp.cast(name, "TEXT"),
                _null("text") if as_number else as_text or _null("text"),
                as_number or _null("double"),
            )
            yield row.from_(self._rows(RESPONSES.name)).where(value.copy().is_(exp.null()).not_())

    def _in(self, query: str, dialect: str) -> exp.Query:
        """A query to `responses` in a dialect, where that is loaded."""
        found = parsed(query, dialect)
        for table in list(found.find_all(exp.Table)):
            if table.name == RESPONSES.name:
                table.replace(self._rows(RESPONSES.name))
        return found


def survey_metrics(metrics: Mapping[int | None, SurveyMetric]) -> exp.Query:
    """What is known of surveys, as a query that has it in itself."""
    rows = [
        _metric(survey, each.metric, each.score_max, each.known_by, fits=each.fits) for survey, each in metrics.items()
    ]
    if not rows:
        return _empty(_metric(None, None, None, "", fits=True))
    return exp.union(*rows, distinct=False) if len(rows) > 1 else rows[0]


def _metric(survey: int | None, metric: str | None, score_max: int | None, known_by: str, *, fits: bool) -> exp.Select:
    return exp.select(
        exp.cast(exp.convert(survey), "BIGINT").as_("survey_id"),
        exp.cast(exp.convert(metric), "TEXT").as_("metric"),
        exp.cast(exp.convert(score_max), "BIGINT").as_("score_max"),
        exp.cast(exp.convert(known_by), "TEXT").as_("known_by"),
        exp.cast(exp.convert(fits), "BOOLEAN").as_("scores_fit"),
    )


def _property(
    response: exp.Expression, name: exp.Expression, text: exp.Expression, number: exp.Expression
) -> exp.Select:
    return exp.select(
        response.as_("response_id"), name.as_("property"), text.as_("value_text"), number.as_("value_number")
    )


def _null(data_type: str) -> exp.Expression:
    return exp.cast(exp.null(), TYPES[data_type])


def _empty(row: exp.Select) -> exp.Select:
    """A query that gives no rows of these columns."""
    return exp.select("*").from_(row.subquery("nothing")).where("1 = 0")
