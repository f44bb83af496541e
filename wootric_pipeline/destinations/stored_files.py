"""Tables made of files, where they are stored: Delta, Iceberg, and plain files that are only ever appended to."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timezone
from importlib import import_module
from typing import Any, Protocol

from dlt import Schema

from ..dlt_internals import open_table, plain_files, table_chain
from ..tables import DELETED_AT, PERSON, PRIMARY_KEY
from .stored import LOAD_ID, Unused, is_declared

LOG_RETENTION, LOG_RETENTION_DEFAULT = "delta.logRetentionDuration", "interval 30 days"
ICEBERG_FILTERS = "pyiceberg.expressions"
"""Imported by its name: types differ by whether it is installed."""


class OpenTable(Protocol):
    """A table in a format of its own."""

    @property
    def columns(self) -> list[str]:
        """By name."""

    def rows(self, loads: Sequence[str] | None) -> int:
        """See `Stored`."""

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        """The values of columns, in record batches of pyarrow's."""

    def keep(self, loads: Sequence[str]) -> None:
        """See `Stored`; in one commit."""

    def remove(self, ids: Sequence[int]) -> None:
        """See `Stored`; in one commit."""

    def clear(self, people: Sequence[int], columns: Sequence[str]) -> None:
        """See `Stored`; in one commit."""

    def add_marks(self) -> None:
        """See `Stored`; in one commit."""

    def mark(self, ids: Sequence[int], at: datetime | None) -> None:
        """See `Stored`; in one commit."""

    def drop(self, columns: Sequence[str]) -> None:
        """Drops columns in one commit."""


class FileTables:
    """Tables of the destination `filesystem`; see `Stored`.

    Args:
        client: The destination's.
        schema: What dlt knows of the tables.
        loaded: The tables of which rows were loaded, all of whose files may be gone.
    """

    def __init__(self, client: Any, schema: Schema, loaded: Collection[str]) -> None:
        self._client = client
        self._schema = schema
        self._loaded = loaded

    def gone(self, tables: Sequence[str]) -> Mapping[str, str]:
        """See `Stored`; dlt makes anew what is missing, and plain files may have been taken elsewhere."""
        kept = {name: self._format(name) for name in tables if name in self._loaded}
        return {name: name for name, format_ in kept.items() if format_ and self._open(name, format_) is None}

    def restore(self, table: str) -> None:
        """See `Stored`."""

    def restore_bookkeeping(self) -> None:
        """See `Stored`."""

    def rows(self, table: str, loads: Sequence[str] | None = None) -> int | None:
        """See `Stored`."""
        if (kept := self._format(table)) is None:
            return None
        opened = self._open(table, kept)
        return opened.rows(loads) if opened else 0

    def older(self, table: str, than: datetime, column: str) -> int | None:
        """See `Stored`."""
        if (opened := self._opened(table)) is None:
            return None
        values = (value for batch in opened.batches([column]) for value in batch.column(0).to_pylist())
        return sum(value is not None and _in_utc(value) < than for value in values)

    def keep(self, table: str, loads: Sequence[str]) -> None:
        """See `Stored`."""
        if kept := self._format(table):
            if opened := self._open(table, kept):
                opened.keep(loads)
            return
        store: Any = None
        paths: list[str] = []
        for name in table_chain(self._schema, table):
            store, found = plain_files(self._client, name)
            paths += found
        own = {path for path in paths if any(load in path for load in loads)}
        # In a layout without the id of the load nothing tells old files from new ones.
        for path in (each for each in paths if own and each not in own):
            store.rm(path)

    def remove(self, table: str, ids: Sequence[int]) -> None:
        """See `Stored`; plain files stay as they are."""
        if opened := self._opened(table):
            opened.remove(ids)

    def clear(self, table: str, people: Sequence[int], columns: Sequence[str], children: Sequence[str]) -> None:  # noqa: ARG002  # lists stay in the row
        """See `Stored`; plain files stay as they are."""
        if columns and (opened := self._opened(table)):
            opened.clear(people, columns)

    def add_marks(self, table: str) -> None:
        """See `Stored`; plain files stay as they are."""
        if (opened := self._opened(table)) and DELETED_AT not in opened.columns:
            opened.add_marks()

    def mark(self, table: str, ids: Sequence[int], at: datetime | None) -> None:
        """See `Stored`; plain files stay as they are."""
        if opened := self._opened(table):
            opened.mark(ids, at)

    def unused(self, table: str, declared: Sequence[str]) -> Unused:
        """See `Stored`."""
        if (opened := self._opened(table)) is None:
            return Unused([], [])
        empty = {name for name in opened.columns if not is_declared(self._schema, table, name, declared)}
        for batch in opened.batches(sorted(empty)) if empty else ():
            empty -= {name for name in empty if batch.column(name).null_count < batch.num_rows}
        return Unused([], [(table, name) for name in sorted(empty)])

    def drop(self, unused: Unused) -> list[str]:
        """See `Stored`."""
        for table in sorted({table for table, _ in unused.columns}):
            opened = self._opened(table)
            columns = [column for name, column in unused.columns if name == table]
            there = opened.columns if opened else []
            if opened and (left := [column for column in columns if column in there]):
                opened.drop(left)
        return []

    def _opened(self, table: str) -> OpenTable | None:
        kept = self._format(table)
        return self._open(table, kept) if kept else None

    def _format(self, table: str) -> Callable[[Any], OpenTable] | None:
        formats: dict[str | None, Callable[[Any], OpenTable]] = {"delta": _Delta, "iceberg": _Iceberg}
        return formats.get(self._schema.tables[table].get("table_format"))

    def _open(self, table: str, made: Callable[[Any], OpenTable]) -> OpenTable | None:
        found = open_table(self._client, self._schema, table)
        return None if found is None else made(found)


def remove_former_files(store: Any, table: Any) -> None:
    """Removes files of a table, Delta's or Iceberg's, that hold what its rows held before.

    Args:
        store: Lists and removes files as fsspec does.
        table: Which; whoever reads a former version of it meanwhile fails.
    """
    (_Delta if hasattr(table, "to_pyarrow_dataset") else _Iceberg)(table).remove_former_files(store)


class _Delta:
    def __init__(self, table: Any) -> None:
        self._table = table

    @property
    def columns(self) -> list[str]:
        return [field.name for field in self._table.schema().fields]

    def rows(self, loads: Sequence[str] | None) -> int:
        if loads is None:
            return int(self._table.to_pyarrow_dataset().count_rows())
        # A filter of pyarrow's cannot compare texts with what Delta notes of them (deltalake 1.6).
        return sum(load in loads for batch in self.batches([LOAD_ID]) for load in batch.column(0).to_pylist())

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        return iter(self._table.to_pyarrow_dataset().to_batches(columns=list(columns)))

    def keep(self, loads: Sequence[str]) -> None:
        chosen = ", ".join(repr(load) for load in loads or [""])
        self._table.delete(f"{LOAD_ID} NOT IN ({chosen})")

    def remove(self, ids: Sequence[int]) -> None:
        self._table.delete(_in(ids))

    def clear(self, people: Sequence[int], columns: Sequence[str]) -> None:
        self._table.update(dict.fromkeys(columns, "NULL"), predicate=_in(people, PERSON))

    def add_marks(self) -> None:
        from deltalake import Field
        from deltalake.schema import PrimitiveType

        self._table.alter.add_columns([Field(DELETED_AT, PrimitiveType("timestamp"))])

    def mark(self, ids: Sequence[int], at: datetime | None) -> None:
        if at is None:
            self._table.update({DELETED_AT: "NULL"}, predicate=_in(ids))
        else:
            self._table.update(new_values={DELETED_AT: at}, predicate=_in(ids))

    def remove_former_files(self, _store: Any) -> None:
        # The log holds the least and the greatest values of each file, and keeps them for 30 days.
        table, before = self._table, self._table.metadata().configuration.get(LOG_RETENTION, LOG_RETENTION_DEFAULT)
        table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
        table.alter.set_table_properties({LOG_RETENTION: "interval 0 days"})
        try:
            table.create_checkpoint()
            table.cleanup_metadata()
        finally:
            table.alter.set_table_properties({LOG_RETENTION: before})

    def drop(self, columns: Sequence[str]) -> None:
        from deltalake import write_deltalake

        left = [name for name in self.columns if name not in columns]
        reader = self._table.to_pyarrow_dataset().scanner(columns=left).to_reader()
        write_deltalake(self._table, reader, mode="overwrite", schema_mode="overwrite")


class _Iceberg:
    def __init__(self, table: Any) -> None:
        self._table = table

    @property
    def columns(self) -> list[str]:
        return [field.name for field in self._table.schema().fields]

    def rows(self, loads: Sequence[str] | None) -> int:
        filters = import_module(ICEBERG_FILTERS)
        chosen = filters.AlwaysTrue() if loads is None else filters.In(LOAD_ID, set(loads))
        return int(self._table.scan(row_filter=chosen).count())

    def batches(self, columns: Sequence[str]) -> Iterator[Any]:
        return iter(self._table.scan(selected_fields=tuple(columns)).to_arrow_batch_reader())

    def keep(self, loads: Sequence[str]) -> None:
        filters = import_module(ICEBERG_FILTERS)
        self._table.delete(filters.NotIn(LOAD_ID, set(loads)) if loads else filters.AlwaysTrue())

    def remove(self, ids: Sequence[int]) -> None:
        self._table.delete(import_module(ICEBERG_FILTERS).In(PRIMARY_KEY, set(ids)))

    def clear(self, people: Sequence[int], columns: Sequence[str]) -> None:
        self._overwrite(import_module(ICEBERG_FILTERS).In(PERSON, set(people)), dict.fromkeys(columns))

    def add_marks(self) -> None:
        types = import_module("pyiceberg.types")
        with self._table.update_schema() as update:
            update.add_column(DELETED_AT, types.TimestamptzType())

    def mark(self, ids: Sequence[int], at: datetime | None) -> None:
        self._overwrite(import_module(ICEBERG_FILTERS).In(PRIMARY_KEY, set(ids)), {DELETED_AT: at})

    def remove_former_files(self, store: Any) -> None:
        table = self._table
        # Of files that were removed with the last snapshot, it keeps the least and the greatest values.
        table.append(table.schema().as_arrow().empty_table())
        last = table.current_snapshot()
        former = [each.snapshot_id for each in table.snapshots() if each.snapshot_id != last.snapshot_id]
        if former:
            table.maintenance.expire_snapshots().by_ids(former).commit()
        manifests = last.manifests(table.io)
        needed = {table.metadata_location, last.manifest_list, *(each.manifest_path for each in manifests)}
        entries = (entry for each in manifests for entry in each.fetch_manifest_entry(table.io, discard_deleted=True))
        needed |= {entry.data_file.file_path for entry in entries}
        # Their names are like no others, and a store spells paths in its own way.
        names = {path.rpartition("/")[2] for path in needed}
        for path in store.find(table.location()):
            if path.replace("\\", "/").rpartition("/")[2] not in names:
                store.rm(path)

    def _overwrite(self, chosen: Any, values: Mapping[str, Any]) -> None:
        """Gives columns of chosen rows one value."""
        import pyarrow as pa

        rows = self._table.scan(row_filter=chosen).to_arrow()
        for column, value in values.items():
            place = rows.schema.get_field_index(column)
            same = pa.array([value] * len(rows), rows.schema.field(place).type)
            rows = rows.set_column(place, rows.schema.field(place), same)
        self._table.overwrite(rows, overwrite_filter=chosen)

    def drop(self, columns: Sequence[str]) -> None:
        with self._table.update_schema() as update:
            for column in columns:
                update.delete_column(column)


def _in(ids: Sequence[int], column: str = PRIMARY_KEY) -> str:
    return f"{column} IN ({', '.join(map(str, ids))})"


def _in_utc(moment: date) -> datetime:
    """A time of a file, in UTC if it is without its zone; of a day, its beginning."""
    if not isinstance(moment, datetime):
        return datetime(moment.year, moment.month, moment.day, tzinfo=timezone.utc)
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment
