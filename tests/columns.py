"""The tables of columns in docs/columns.md and docs/insight.md: `python -m tests.columns` writes them anew."""

import re
from collections.abc import Mapping

from tests.conftest import PROJECT
from wootric_pipeline.command import runs_table
from wootric_pipeline.descriptions import COLUMN_DESCRIPTIONS, RUNS
from wootric_pipeline.dlt_internals import list_of
from wootric_pipeline.insight.model import Model, models
from wootric_pipeline.tables import ALL_TABLES, DELETED_AT, OVERVIEWS, TIMESTAMP

DOCUMENT, OF_MARTS = PROJECT / "docs/columns.md", PROJECT / "docs/insight.md"
MODELS = "## The models"
DOCUMENTED = ("end_users", "responses", "responses__tags", "declines", *OVERVIEWS, "survey_templates__languages", RUNS)
HEAD = "| column | type | meaning | source |\n|---|---|---|---|\n"


def with_tables(document: str) -> str:
    """The document with the first table below each table's heading as it has to be."""
    for name in DOCUMENTED:
        document, count = re.subn(
            rf"(^## {name}\n(?:(?!#|\|).*\n)*)(?:\|.*\n)+",
            lambda found, name=name: found[1] + HEAD + "".join(map(_line, _rows(name))),  # type: ignore[misc]
            document,
            flags=re.MULTILINE,
        )
        assert count == 1, name
    return document


def with_models(document: str) -> str:
    """The document of marts with all that is said of the models, behind what it says of them as a whole."""
    text, _, rest = document.partition(f"{MODELS}\n")
    about = rest.partition("\n### ")[0].strip()
    return f"{text}{MODELS}\n\n{about}\n\n" + "\n".join(map(_of_model, models().values()))


def _of_model(model: Model) -> str:
    rows = [f"| `{name}` | {column.data_type} | {column.text} |\n" for name, column in model.columns.items()]
    grain = ", ".join(f"`{name}`" for name in model.grain)
    head = f"### {model.name}\n\n{model.text} Grain: {grain}.\n\n| column | type | meaning |\n|---|---|---|\n"
    return head + "".join(rows)


def _rows(name: str) -> list[tuple[str, str, str, str]]:
    types = _types(name)
    lists = ALL_TABLES[name].lists if name in ALL_TABLES else ()
    rows = []
    for column, (meaning, source, is_personal) in COLUMN_DESCRIPTIONS[name].items():
        text = f"{meaning}; **personal**" if is_personal else meaning
        if name in ALL_TABLES and column in ALL_TABLES[name].properties:
            rows.append((f"{column}__...", "by value", f"{text}, [a column for each key](#properties)", source))
        elif column not in lists:
            rows.append((column, types[column], text, source))
    return rows


def _types(name: str) -> Mapping[str, str]:
    if name in ALL_TABLES:
        return {**ALL_TABLES[name].documented, DELETED_AT: TIMESTAMP}
    if name == RUNS:
        return runs_table.COLUMNS
    table, _, field = name.partition("__")
    columns = list_of(ALL_TABLES[table].children[field])["columns"]
    assert isinstance(columns, dict)
    return {name: str(column["data_type"]) for name, column in columns.items()}


def _line(row: tuple[str, str, str, str]) -> str:
    column, data_type, text, source = row
    return f"| `{column}` | {data_type} | {text} | {source} |\n"


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    OF_MARTS.write_text(with_models(OF_MARTS.read_text(encoding="utf-8")), encoding="utf-8")
