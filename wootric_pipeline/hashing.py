"""What of a row is hashed: with a key, so that nobody without it can compare guesses, and alike in all tables.

Applied after a row has been read, since reading needs the values, and before anything of it is written.
"""

import hmac
import re
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import Any

from dlt import Schema
from dlt.common.data_types import TDataType
from dlt.common.schema.typing import TColumnSchema

from .accounts import account
from .descriptions import descriptions
from .errors import ConfigurationError
from .naming import SEPARATOR, named
from .patterns import Pattern, Selection, TableSelection, any_key
from .records import NESTING_MAX, Row
from .settings import shown
from .tables import ALL_TABLES, PERSON, TEXT, Table

HASHED = "hashed"
"""In the state of a resource: how its rows have been hashed since the first load, and which patterns have matched."""
FORMS, MATCHED = "forms", "matched"
FORMS_MAX = 10
NAMED_MAX = 10

KEY_LENGTH_MIN = 16
DESCRIBED = " (hashed: HMAC-SHA256 with hash_key, in hexadecimal digits)"
"""Behind what a hashed column means."""

_EMAIL = re.compile(r"[^\s@]+@[^\s@]+")
# No value begins so: U+0000 is replaced in all texts.
_FOR_DIGESTS, _FOR_KEY = b"\0digests of rows", b"\0which key it is"

_Form = dict[str, Any]
_PLAIN: Mapping[str, Any] = {"patterns": [], "key": ""}


class Hashing(Selection["TableHashing"]):
    """The columns that a user has hashed; see `Selection`.

    Args:
        patterns: Of columns.
        key: Secret, of any letters; None is none.
        normalizes_emails: Whether e-mail addresses are hashed in small letters and without blanks around them.

    Raises:
        ConfigurationError: A pattern names no column, or one that has to stay as it is; the key is missing or short.
    """

    setting = "hash_columns"
    needed = ("created_at", PERSON)
    needed_by = "reading and joins need"

    def __init__(
        self, patterns: Sequence[str] = (), key: str | None = None, *, normalizes_emails: bool = False
    ) -> None:
        super().__init__(patterns)
        if self.patterns and key is None:
            raise ConfigurationError(
                f"hash_columns needs a hash_key, a secret text of {KEY_LENGTH_MIN} characters or more, the same in "
                f"every run; put it into .dlt/secrets.toml, under [{account().section}]."
            )
        if self.patterns and key is not None and len(key) < KEY_LENGTH_MIN:
            raise ConfigurationError(f"hash_key must have {KEY_LENGTH_MIN} characters or more.")
        self._key = (key or "").encode(errors="surrogatepass")
        self._normalizes_emails = normalizes_emails

    def hashed(self, value: Any) -> Any:
        """A single value as it is loaded: a text of 64 hexadecimal digits; null and an empty text stay as they are."""
        text = _canonical(value)
        if self._normalizes_emails and _EMAIL.fullmatch(stripped := text.strip()):
            text = stripped.lower()
        return self._digest(text.encode(errors="surrogatepass")).hex() if text else value

    def _digest(self, content: bytes) -> bytes:
        return hmac.digest(self._key, content, "sha256")

    @property
    def digest_key(self) -> bytes:
        """Of digests of rows in the state, with which nobody else shall compare guesses; empty if nothing is hashed."""
        return self._digest(_FOR_DIGESTS) if self.patterns else b""

    @property
    def key(self) -> str:
        """Tells choices that make other rows of the same answer apart; it does not tell the key."""
        return " ".join(map(str, self.form().values())) if self.patterns else ""

    def form(self, table: str | None = None) -> _Form:
        """How rows are hashed, of one table or of all, to be kept in the state."""
        texts = sorted(pattern.text for pattern in self.patterns if table is None or table in pattern.tables)
        if not texts:
            return dict(_PLAIN)
        key = self._digest(_FOR_KEY)[:8].hex()
        return {"patterns": texts, "key": f"{key}, normalized e-mails" if self._normalizes_emails else key}

    def covers(self, table: Table, column: str) -> bool:
        """Whether all of a documented column is hashed, also of one with all properties in it."""
        return self.names(table, any_key(column) if column in table.properties else column)

    def data_type(self, table: Table, column: str, declared: TDataType) -> TDataType:
        """The type of a documented column with a single value."""
        return TEXT if self.patterns and self.names(table, column) else declared

    def described(self, table: str) -> dict[str, str]:
        """What the columns of a table, or of the child table of a list, mean, and that they are hashed."""
        texts = descriptions(table)
        parent, _, of_list = table.partition(SEPARATOR)
        if not self.patterns or parent not in ALL_TABLES:
            return texts
        return {
            name: text + DESCRIBED if self._is_described_so(ALL_TABLES[parent], of_list, name) else text
            for name, text in texts.items()
        }

    def _is_described_so(self, table: Table, of_list: str, column: str) -> bool:
        return self.covers(table, of_list) and column == "value" if of_list else self.covers(table, column)

    def _made(self, table: Table, schema: Schema) -> "TableHashing":
        return TableHashing(table, schema, self)


class TableHashing(TableSelection):
    """What is hashed of the rows of one table; see `Hashing.of`."""

    def __init__(self, table: Table, schema: Schema, hashing: Hashing) -> None:
        super().__init__(table, schema, hashing.patterns)
        self._hashing = hashing
        self._found: set[str] = set()
        self._forms: list[_Form] = []

    def __bool__(self) -> bool:
        """Whether there is anything to hash."""
        return bool(self._patterns)

    def has_matched(self, pattern: Pattern) -> bool:
        """See `TableSelection`."""
        return pattern.text in self._found

    def hashed(self, row: Row) -> Row:
        """A copy of a row, of documented types, in which what is to be is hashed, however deep it is nested."""
        return self._fields(row, "", "", 0)

    def _fields(self, fields: Row, path: str, written: str, depth: int) -> Row:
        hashed = dict(fields)
        for key, value in fields.items():
            if value is None:
                continue
            if patterns := self.patterns_of(key, path, written):
                self._found.update(patterns)
                is_aside = type(value) is dict and path + key in self._table.documented
                # A value of another type than the column's goes into the column, too: all hashes are texts.
                hashed[key] = self._whole(next(iter(value.values())) if is_aside else value)
            elif type(value) is not dict and (patterns := self.patterns_in_place_of(key, path)):
                self._found.update(patterns)
                hashed[key] = self._whole(value)
            elif type(value) in (dict, list, str):
                inner = path + named(key, self._schema) + SEPARATOR if type(value) is not str else ""
                hashed[key] = self._inside(value, inner, written + key + SEPARATOR, depth)
        return hashed

    def _inside(self, value: Any, path: str, written: str, depth: int) -> Any:
        """A value that is not meant itself."""
        if type(value) is dict:
            return self._fields(value, path, written, depth + 1)
        if type(value) is list:
            return [self._inside(each, path, written, depth + 1) for each in value]
        # What is nested deeper became a text of JSON, in which no key is told from others.
        is_cut = depth >= NESTING_MAX and type(value) is str and value.startswith(("{", "["))
        return self._hashing.hashed(value) if is_cut else value

    def _whole(self, value: Any) -> Any:
        """A value that is meant: each single one in it is hashed by itself."""
        if type(value) is dict:
            return {key: self._whole(inner) for key, inner in value.items()}
        if type(value) is list:
            return [self._whole(each) for each in value]
        return None if value is None else self._hashing.hashed(value)

    def check_types(self, declared: Mapping[str, TColumnSchema]) -> None:
        """Makes sure that no column was loaded with a type that it has no more, which dlt could not change.

        Args:
            declared: Columns as they are to be loaded.

        Raises:
            ConfigurationError: One is hashed now and was not, or the other way round.
        """
        loaded = self._schema.tables.get(self._table.name, {}).get("columns", {})
        for name in declared.keys() & self._table.documented.keys() & loaded.keys():
            known, wanted = loaded[name].get("data_type"), declared[name]["data_type"]
            if known is not None and known != wanted and TEXT in (known, wanted):
                raise ConfigurationError(
                    f"{self._table.name}.{name} was loaded as {known} before, and hash_columns would make it {wanted} "
                    "now; leave hash_columns as it was there, exclude the column, or choose another --dataset."
                )

    def note(self, state: MutableMapping[str, Any], *, is_new: bool) -> None:
        """Adds how rows are hashed now to the state of the table's resource, and learns from it how they were before.

        Args:
            state: Of the resource.
            is_new: Whether no row that was loaded before will stay as it is.
        """
        kept: Mapping[str, Any] | None = state.get(HASHED)
        if kept is None and not self._patterns:
            return
        before: Iterable[_Form] = () if is_new else kept[FORMS] if kept else (dict(_PLAIN),)
        form = self._hashing.form(self._table.name)
        self._forms = [*(each for each in before if each != form), form][-FORMS_MAX:]
        self._found.update(kept[MATCHED] if kept else ())
        state[HASHED] = {FORMS: self._forms, MATCHED: sorted(self._found)}

    def ended(self, *, has_rows: bool) -> list[str]:
        """What is to be said when the table has been read to its end."""
        self.is_complete, self.has_rows = True, has_rows
        return [*self._mixed(), *self._hashing.unmatched(self._table)]

    def _mixed(self) -> list[str]:
        """Warnings, if rows were loaded before with other columns hashed, or with another key."""
        *before, now = self._forms or [dict(_PLAIN)]
        plain = {each for form in before for each in self._only_in(now, form)}
        hashed = {each for form in before for each in self._only_in(form, now)}
        table, warnings = self._table.name, []
        if plain:
            warnings.append(
                f"{table}: rows loaded before still hold as it was what hash_columns names now ({_listed(plain)}); "
                f"--full-refresh --tables {table} loads them again."
            )
        if hashed:
            warnings.append(
                f"{table}: rows loaded before are hashed where hash_columns names nothing now ({_listed(hashed)}); "
                f"--full-refresh --tables {table} loads them again."
            )
        if any(form["key"] not in ("", now["key"]) for form in before if now["patterns"]):
            warnings.append(
                f"{table}: rows loaded before are hashed with another hash_key or hash_normalized_emails and join with "
                f"none; --full-refresh --tables {table} loads them again."
            )
        return warnings

    def _only_in(self, form: _Form, other: _Form) -> list[str]:
        """What one form hashes and another does not: columns that were loaded; else patterns for parts of them."""
        texts = [text for text in form["patterns"] if text not in other["patterns"]]
        if not texts:
            return []
        columns = [name for name in self._loaded() if _is_in(form, self._table, name)]
        only = [name for name in columns if not _is_in(other, self._table, name)]
        return only if columns else [text for text in texts if text in self._found]

    def _loaded(self) -> list[str]:
        """The columns of the table, and its lists that have tables of their own."""
        tables, name = self._schema.tables, self._table.name
        columns = [each for each in tables.get(name, {}).get("columns", {}) if not each.startswith("_dlt")]
        return [*columns, *(each for each in self._table.lists if f"{name}{SEPARATOR}{each}" in tables)]


def _is_in(form: _Form, table: Table, column: str) -> bool:
    return any(Pattern(text, Hashing.setting).matches(table.name, (column,)) for text in form["patterns"])


def _listed(names: Iterable[str]) -> str:
    ordered = sorted(map(shown, names))
    return ", ".join(ordered[:NAMED_MAX]) + (" and others" if len(ordered) > NAMED_MAX else "")


def _canonical(value: Any) -> str:
    """A value as a text: numbers that are the same have the same, in whichever form they came."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.isoformat() if isinstance(value, datetime) else str(value)
