"""The models: what analysts ask of surveys, as SQL of one dialect, DuckDB's, in files of their own.

A file begins with comments that say what a row is, what identifies it (`grain`), and the type and the meaning of each
column: the one place of both, for the tables that are made, for comments in databases and for the documents.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import cast

import sqlglot
from dlt.common.data_types import TDataType
from dlt.common.schema.typing import TColumnSchema
from sqlglot import exp

DIALECT = "duckdb"
DAYS = "dim_dates"
"""Made in Python; see `dates.py`."""

_COLUMN = re.compile(r"(\w+) (bigint|bool|date|double|text|timestamp): (.+)")


@dataclass(frozen=True)
class Column:
    """A column of a model.

    Attributes:
        data_type: dlt's name for it.
        text: What it means, with names in backquotes.
    """

    data_type: TDataType
    text: str


@dataclass(frozen=True)
class Model:
    """A table that is made of others.

    Attributes:
        name: Its name.
        text: What a row is.
        grain: The columns that identify one.
        columns: By name, in order.
        query: A SELECT in DuckDB's dialect; empty where Python makes the rows.
    """

    name: str
    text: str
    grain: Sequence[str]
    columns: Mapping[str, Column]
    query: str

    @property
    def hints(self) -> dict[str, TColumnSchema]:
        """The columns as dlt declares them."""
        return {
            name: {"name": name, "data_type": column.data_type, "description": column.text.replace("`", "")}
            for name, column in self.columns.items()
        }

    @cached_property
    def parsed(self) -> exp.Query:
        """The query as sqlglot has it; a copy of it may be changed."""
        return parsed(self.query)

    @cached_property
    def reads(self) -> frozenset[str]:
        """The names of the tables it is made of."""
        if not self.query:
            return frozenset()
        own = {each.alias for each in self.parsed.find_all(exp.CTE)}
        return frozenset(table.name for table in self.parsed.find_all(exp.Table)) - own


def parsed(query: str, dialect: str = DIALECT) -> exp.Query:
    """A query as sqlglot has it."""
    return cast("exp.Query", sqlglot.parse_one(query, read=dialect))


@cache
def models() -> Mapping[str, Model]:
    """All of them by name, each behind those it is made of."""
    folder = files(__package__) / "models"
    found = {each.name.removesuffix(".sql"): each.read_text(encoding="utf-8") for each in folder.iterdir()}
    return {
        each.name: each
        for layer in _layers({name: model(name, found[name]) for name in sorted(found)})
        for each in layer
    }


def layers() -> list[list[Model]]:
    """The models in the order in which they can be made; those of a layer need none of each other."""
    return list(_layers(models()))


def _layers(waiting: Mapping[str, Model]) -> Iterator[list[Model]]:
    while waiting:
        ready = [each for each in waiting.values() if not each.reads & waiting.keys()]
        yield ready
        waiting = {name: each for name, each in waiting.items() if each not in ready}


def model(name: str, text: str) -> Model:
    r"""A model of what its file holds.

    >>> model("fct", "-- One row for each row.\n-- grain: id\n--\n-- id bigint: its id\nSELECT id FROM rows").grain
    ['id']

    Raises:
        ValueError: The comments before the query do not say what they should.
    """
    head, query = _parted(text)
    about, _, rest = head.partition("\ngrain: ")
    grain, _, of_columns = rest.partition("\n\n")
    described = of_columns.partition("\n\n")[0].splitlines()
    found = {line: _COLUMN.fullmatch(line) for line in described}
    wrong = [line for line, match in found.items() if match is None]
    if not grain or not found or wrong:
        raise ValueError(f"{name}: the comment does not say grain and columns ({wrong[:1]}).")
    columns = {match[1]: Column(match[2], match[3]) for match in found.values() if match}  # type: ignore[arg-type]
    return Model(name, " ".join(about.splitlines()), grain.split(", "), columns, query)


def _parted(text: str) -> tuple[str, str]:
    """The comments at the beginning, with lines that go on joined, and the query."""
    lines = text.splitlines()
    end = next((number for number, line in enumerate(lines) if not line.startswith("--")), len(lines))
    comments = "\n".join(line.removeprefix("--").removeprefix(" ") for line in lines[:end])
    return re.sub(r"\n {3,}", " ", comments), "\n".join(lines[end:]).strip()
