"""What each kind of destination needs, so that a merge there is a merge; everything else is dlt's.

Found out by running them (dlt 1.31). Files on S3 and the like merge in table formats only, and there a child table
keeps the elements that a list has lost: so lists stay inside the row, as JSON.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, get_args

import dlt
from dlt import Schema
from dlt.common.pipeline import SupportsPipeline
from dlt.common.schema.typing import TColumnSchema, TFileFormat, TTableFormat, TWriteDispositionConfig
from dlt.extract.hints import TResourceHints, TResourceNestedHints

from ..descriptions import TABLE_DESCRIPTIONS, descriptions
from ..dlt_internals import list_of
from ..errors import ConfigurationError
from ..tables import ALL_TABLES, Table

FileLayout = Literal["delta", "iceberg", "parquet", "jsonl"]

FILES = "filesystem"

FILE_FORMATS: dict[str, TFileFormat] = {
    "duckdb": "parquet",
    "motherduck": "parquet",
    "ducklake": "parquet",
    "filesystem": "parquet",
}
"""Where dlt's own choice is slow: `insert_values` takes many times the seconds and the memory on DuckDB.

Not on PostgreSQL, where CSV is twice as fast and makes nulls of empty texts.
"""

TYPED_FILES = ("sqlalchemy",)
"""Where load files are typed-jsonl."""

SCOPED = ("sqlalchemy",)
"""Where dlt's own merge asks of each row there is whether it comes again: SQLite and MySQL answer one by one."""

MERGED_AGAIN = "{key} IN (SELECT {key} FROM {{staging_table}})"
"""For tables with a key of one column."""

TABLE_FORMATS: dict[str, TTableFormat] = {"athena": "iceberg"}
"""Where tables of dlt's own choice cannot be merged into: it would append each version of a row, with a warning."""

NEEDED: dict[TTableFormat, tuple[str, ...]] = {
    "delta": ("deltalake", "dlt.common.libs.deltalake"),
    "iceberg": ("pyiceberg", "dlt.common.libs.pyiceberg", "sqlalchemy"),
}
"""By the format of tables made of files: dlt's extra, and the modules that come with it."""


Describe = Callable[[str], dict[str, str]]
"""Says what the columns of a table mean."""

DESCRIPTION_HINTS = {"bigquery": "x-bigquery-table-description"}
"""Where dlt passes on what a table is described by, but under a name of its own."""


@dataclass(frozen=True)
class Layout:
    """How rows are laid out at a destination.

    Attributes:
        file_format: Of load files; None is what dlt prefers there.
        table_format: Of tables made of files; None where there are none.
        lists_in_rows: Whether lists stay inside their row as JSON instead of becoming child tables.
        upserts: Whether rows are merged by a statement that takes but one version of each.
        appends: Whether each version of a row is kept, because plain files cannot be merged into.
        scoped: Whether the rows to replace are looked up from those that come, and not the other way round.
        times_typed: How often texts go through files in which dlt marks types: once before load files are made, and
            once more where these are such files themselves.
        description_hint: A second name of the hint that describes a table.
    """

    file_format: TFileFormat | None = None
    table_format: TTableFormat | None = None
    lists_in_rows: bool = False
    upserts: bool = False
    appends: bool = False
    scoped: bool = False
    times_typed: int = 1
    description_hint: str | None = None


def checked_files(files: str) -> str:
    """The setting for destinations that keep files.

    Raises:
        ConfigurationError: It is none of `FileLayout`.
    """
    if files not in get_args(FileLayout):
        raise ConfigurationError(f"files must be one of {', '.join(get_args(FileLayout))}.")
    return files


def layout(destination: str, files: str) -> Layout:
    """The layout for a kind of destination.

    Args:
        destination: Its kind, as `kind_of` tells it.
        files: The setting for destinations that keep files.

    Raises:
        ConfigurationError: The setting is none of `FileLayout`.
    """
    checked_files(files)
    if destination != FILES:
        return Layout(
            FILE_FORMATS.get(destination),
            TABLE_FORMATS.get(destination),
            scoped=destination in SCOPED,
            times_typed=2 if destination in TYPED_FILES else 1,
            description_hint=DESCRIPTION_HINTS.get(destination),
        )
    if files == "delta":
        return Layout("parquet", "delta", lists_in_rows=True, upserts=True)
    if files == "iceberg":
        return Layout("parquet", "iceberg", lists_in_rows=True, upserts=True)
    return Layout("parquet" if files == "parquet" else "jsonl", appends=True)


def require_packages(destination: str, files: str) -> None:
    """Makes sure that what writing files takes is installed: dlt looks for it when all has been read.

    Raises:
        ConfigurationError: It is not installed.
    """
    table_format = layout(destination, files).table_format
    if destination != FILES or table_format is None:
        return
    extra, *modules = NEEDED[table_format]
    try:
        for module in modules:
            import_module(module)
    except ImportError:
        raise ConfigurationError(
            f'files = "{files}" needs more packages; install them with: pip install "dlt[{extra}]"'
        ) from None


def check_same_files(schema: Schema, destination: str, files: str) -> None:
    """Makes sure that tables of files go on in their form: of two forms, no reader would see both.

    Args:
        schema: What is known of the tables.
        destination: Its kind, as `kind_of` tells it.
        files: The setting for destinations that keep files.

    Raises:
        ConfigurationError: They were loaded in another form.
    """
    if destination != FILES:
        return
    for name in schema.data_table_names(seen_data_only=True):
        hints = schema.tables[name]
        form = hints.get("table_format") or hints.get("file_format")
        if name in ALL_TABLES and form is not None and form != files:
            raise ConfigurationError(
                f'The dataset holds files = "{form}", and a dataset has one form; set that again, or choose another '
                "dataset with --dataset."
            )


def kind_of(pipeline: SupportsPipeline) -> str:
    """What kind its destination is, such as `postgres`, whatever its name; empty while it has none."""
    return pipeline.destination.destination_type.rpartition(".")[2] if pipeline.destination else ""


def hints(table: Table, laid_out: Layout, describe: Describe = descriptions) -> TResourceHints:
    """What dlt has to know of a table at its destination.

    dlt asks for hints when a source is made, which may be before its destination is known; these go with the rows.

    Args:
        table: Which.
        laid_out: How its rows are.
        describe: Says what the columns of a table mean.
    """
    columns: dict[str, TColumnSchema] = {}
    if laid_out.lists_in_rows:
        described = describe(table.name)
        columns = {name: {"name": name, "data_type": "json", "description": described[name]} for name in table.lists}
    disposition: TWriteDispositionConfig = "append" if laid_out.appends else "merge"
    if laid_out.upserts:
        disposition = {"disposition": "merge", "strategy": "upsert"}
    if laid_out.scoped and len(table.key) == 1:
        scope = MERGED_AGAIN.format(key=table.key[0])
        disposition = {"disposition": "merge", "strategy": "delete-insert", "destination_scope": scope}
    return dlt.mark.make_hints(
        # An empty mapping would take the declared columns away.
        columns=columns or None,
        write_disposition=disposition,
        table_format=laid_out.table_format,
        file_format=laid_out.file_format,
        nested_hints=None if laid_out.lists_in_rows else _child_tables(table, laid_out, describe),
        additional_table_hints=described_by(table.name, laid_out),
    )


def _child_tables(
    table: Table, laid_out: Layout, describe: Describe
) -> dict[str | Sequence[str], TResourceNestedHints]:
    children = {name: f"{table.name}__{name}" for name in table.children}
    return {
        name: list_of(table.children[name], describe(child), described_by(child, laid_out))
        for name, child in children.items()
    }


def described_by(table: str, laid_out: Layout) -> dict[str, Any]:
    """The hints that say what a table is."""
    return described_as(TABLE_DESCRIPTIONS[table], laid_out)


def described_as(text: str, laid_out: Layout) -> dict[str, Any]:
    """The hints that describe a table by a text."""
    names = ("description", laid_out.description_hint) if laid_out.description_hint else ("description",)
    return dict.fromkeys(names, text)
