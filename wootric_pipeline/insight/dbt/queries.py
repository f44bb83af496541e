"""The models' queries as dbt has them: in SQL that both DuckDB and PostgreSQL read, and with `ref` for each name."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, timezone
from functools import cache

from sqlglot import exp

from ...tables import RESPONSES
from ..dates import FIRST_DATE, LAST_DATE, whole_years
from ..loaded import JSON_PROPERTIES, READ, TYPES
from ..model import Model, models, parsed
from ..zones import DAY, UTC, midnight

DIALECT = "postgres"
"""Of the queries; DuckDB reads what of it they need."""
STAGING = "stg_wootric__"
"""Before the names of what models read besides each other."""
SQL_TYPES = {**TYPES, "double": "DOUBLE PRECISION", "date": "DATE"}

_REFERENCE = "reference_to_"


def model_query(model: Model) -> str:
    """The query of a model, with each column of the type that the model says."""
    query = referring(model.parsed)
    ctes = query.ctes
    query.set("with_", None)
    columns = [exp.cast(exp.column(name), SQL_TYPES[each.data_type]).as_(name) for name, each in model.columns.items()]
    typed = exp.select(*columns).from_("final")
    for cte in ctes:
        typed = typed.with_(cte.alias, as_=cte.this)
    text = typed.with_("final", as_=query).sql(DIALECT, pretty=True, max_text_width=100)
    return re.sub(rf"\b{_REFERENCE}(\w+)", r"{{ ref('\1') }}", text)


def referring(query: exp.Query) -> exp.Query:
    """A copy of a query with the names of dbt's models."""
    query = query.copy()
    own = {each.alias for each in query.find_all(exp.CTE)}
    for table in list(query.find_all(exp.Table)):
        if table.name not in own:
            named = table.name if table.name in models() else f"{STAGING}{table.name}"
            table.replace(exp.to_table(f"{_REFERENCE}{named}").as_(table.alias or table.name))
    return query


def loaded_query(name: str) -> str:
    """The columns of a loaded table that models read."""
    table, columns = READ[name]
    types = ", ".join(f"'{column}': '{table.documented[column]}'" for column in columns)
    first = "{%- do require_responses() %}\n" if name == RESPONSES.name else ""
    return f"{_EPHEMERAL}{first}{{{{ loaded_columns('{name}', {{{types}}}) }}}}"


def json_properties() -> str:
    """The macro that makes rows of properties in one JSON column, for each database that can."""
    macros = [
        "{# Properties of one JSON column as rows, which each database makes in its own way. #}\n"
        "{% macro json_properties(responses) -%}\n"
        "{{ return(adapter.dispatch('json_properties', 'wootric')(responses)) }}\n"
        "{%- endmacro %}"
    ]
    for dialect, query in JSON_PROPERTIES.items():
        found = parsed(query, dialect)
        for table in list(found.find_all(exp.Table)):
            if table.name == RESPONSES.name:
                table.replace(exp.to_table(_REFERENCE).as_(RESPONSES.name))
        text = found.sql(dialect, pretty=True, max_text_width=100).replace(_REFERENCE, "{{ responses }}")
        macros.append(f"{{% macro {dialect}__json_properties(responses) -%}}\n{text}\n{{%- endmacro %}}")
    return "\n\n\n".join(macros)


def midnights_query(zone: str) -> str:
    """The beginnings of days of a zone."""
    return f"""{_EPHEMERAL}{{% if 'utc' in counting_words() %}}
{_rows_of(UTC)}
{{% else %}}
-- Days of {zone}.
{_rows_of(zone)}
{{% endif %}}"""


@cache
def midnights(zone: str) -> Mapping[date, int]:
    """By how many seconds days of a zone begin behind midnight of UTC: each day from which on that is another number.

    Args:
        zone: An IANA name.
    """
    day, last = whole_years(FIRST_DATE, LAST_DATE)
    found: dict[date, int] = {}
    before = None
    # The last day ends when the one behind it begins.
    while day <= last + DAY:
        begins = midnight(day, zone) - datetime.combine(day, time(), timezone.utc)
        seconds = begins // timedelta(seconds=1)
        if seconds != before:
            found[day] = seconds
        day, before = day + DAY, seconds
    return found


def _rows_of(zone: str) -> str:
    rows = ",\n".join(f"    (DATE '{day}', {seconds})" for day, seconds in midnights(zone).items())
    return f"SELECT first_date, seconds\nFROM (VALUES\n{rows}\n) AS midnights (first_date, seconds)"


_EPHEMERAL = "{{ config(materialized='ephemeral') }}\n"
