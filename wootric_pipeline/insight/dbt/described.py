"""What dbt is told of tables and models: what they mean, and what has to hold."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from ...descriptions import COLUMN_DESCRIPTIONS, TABLE_DESCRIPTIONS
from ...tables import ALL_TABLES, RESPONSES
from ..loaded import READ
from ..model import Model, models
from ..surveys import METRICS, KnownBy
from .queries import SQL_TYPES

ACCEPTED: Mapping[str, tuple[str, ...]] = {
    "category": ("promoter", "passive", "detractor", "satisfied", "not satisfied", "easy", "not easy"),
    "known_by": get_args(KnownBy),
    "latest_category": ("promoter", "passive", "detractor"),
    "metric": METRICS,
    "outcome": ("answered", "declined"),
    "period": ("week", "month", "quarter"),
    "scope": ("survey", "all"),
}
"""The values of columns that have no others."""
NULLABLE = "survey_id"
"""The one part of a grain that may be null, of answers that name no survey."""


def sources() -> str:
    """The loaded tables that models read."""
    tables = [{"name": name, **_described(name)} for name in (*READ, f"{RESPONSES.name}__tags")]
    schema = "{{ var('wootric_schema', 'wootric') }}"
    about = "What wootric_pipeline has loaded; a table that is not there is taken for one without rows."
    return _yaml({"sources": [{"name": "wootric", "description": about, "schema": schema, "tables": tables}]})


def _described(table: str) -> dict[str, Any]:
    lists = ALL_TABLES[table].lists if table in ALL_TABLES else ()
    properties = ALL_TABLES[table].properties if table in ALL_TABLES else ()
    columns = [
        {"name": name, "description": meaning.text}
        for name, meaning in COLUMN_DESCRIPTIONS[table].items()
        if name not in (*lists, *properties)
    ]
    return {"description": TABLE_DESCRIPTIONS[table], "columns": columns}


def schema() -> str:
    """The models, their columns and tests."""
    return _yaml({"models": [_model(each) for each in models().values()]})


def _model(model: Model) -> dict[str, Any]:
    grain = ", ".join(f"`{name}`" for name in model.grain)
    told: dict[str, Any] = {"name": model.name, "description": f"{model.text} Grain: {grain}."}
    if not _is_key(model):
        told["data_tests"] = [{"unique_together": {"arguments": {"columns": list(model.grain)}}}]
    return {**told, "columns": [_column(model, name) for name in model.columns]}


def _column(model: Model, name: str) -> dict[str, Any]:
    column = model.columns[name]
    about = {"name": name, "description": column.text, "data_type": SQL_TYPES[column.data_type].lower()}
    tests = list(_tests(model, name))
    return {**about, "data_tests": tests} if tests else about


def _tests(model: Model, name: str) -> Iterator[Any]:
    if name in model.grain and _is_key(model):
        yield "unique"
    if name in model.grain and name != NULLABLE:
        yield "not_null"
    if name in ACCEPTED:
        yield {"accepted_values": {"arguments": {"values": list(ACCEPTED[name])}}}
    for other in models().values():
        # What has a column of a name is what the one with that grain has.
        if other.grain == [name] and other != model:
            yield {"relationships": {"arguments": {"to": f"ref('{other.name}')", "field": name}}}


def _is_key(model: Model) -> bool:
    """Whether one column identifies a row."""
    return len(model.grain) == 1 and model.grain != [NULLABLE]


def _yaml(content: Any) -> str:
    return "".join(f"{line}\n" for line in _lines(content))


def _lines(content: Any) -> Iterator[str]:
    """Of YAML, in which a text of JSON is one, too."""
    if isinstance(content, Mapping):
        for name, value in content.items():
            if isinstance(value, (Mapping, list)):
                yield f"{name}:"
                yield from (f"  {line}" for line in _lines(value))
            else:
                yield f"{name}: {_text(value)}"
        return
    for value in content:
        first, *others = _lines(value) if isinstance(value, Mapping) else [_text(value)]
        yield f"- {first}"
        yield from (f"  {line}" for line in others)


def _text(value: str) -> str:
    return value if value.isidentifier() else json.dumps(value, ensure_ascii=False)
