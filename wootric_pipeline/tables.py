"""The tables Wootric offers: where they are, what identifies a row, and which columns they have.

Sources of the facts: the vendor's API documentation and Stitch's integration page, whose columns are all here.
Every column is declared, so that it exists with its type even while all its values are null.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

DataType = Literal["bigint", "bool", "text", "timestamp"]

BIGINT: DataType = "bigint"
BOOL: DataType = "bool"
TEXT: DataType = "text"
TIMESTAMP: DataType = "timestamp"

PRIMARY_KEY = "id"
CURSOR = "updated_at"
PERSON = "end_user_id"
"""Of tables that refer to `end_users`."""
PERSON_IN_ROW = "end_user"
"""The object with some of the person's fields there."""


@dataclass(frozen=True)
class Table:
    """One list of the API and the table it is loaded into.

    Attributes:
        name: The table's name, and the resource's.
        path: The list's path below the base URL.
        columns: Fields of a row with a single value, by name, and their dlt data types.
        flattened: Columns dlt makes of objects inside a row, by their final name.
        objects: Fields that hold an object or null.
        properties: Columns dlt would make of the objects with the customer's own keys.
        lists: Fields that hold a list.
        text_lists: Fields that hold a list of texts; each becomes a child table with a text column `value`.
        default_sort_key: The field the API sorts by when it is told nothing, or ignores what it is told.
    """

    name: str
    path: str
    columns: Mapping[str, DataType]
    flattened: Mapping[str, DataType] = field(default_factory=dict)
    objects: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    text_lists: tuple[str, ...] = ()
    default_sort_key: str = "created_at"

    @cached_property
    def documented(self) -> Mapping[str, DataType]:
        """All columns with a single value, by their final names."""
        return {**self.columns, **self.flattened}

    @cached_property
    def documented_objects(self) -> frozenset[str]:
        """What the names of columns that dlt makes of objects begin with."""
        parts = [name.split("__")[:-1] for name in self.flattened]
        return frozenset("__".join(each[: end + 1]) for each in parts for end in range(len(each)))


END_USERS = Table(
    name="end_users",
    path="/v1/end_users",
    columns={
        "id": BIGINT,
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
        "email": TEXT,
        "last_surveyed": TIMESTAMP,
        # A number in the answer and in Stitch's table alike: UNIX seconds, not a time.
        "external_created_at": BIGINT,
        "last_seen_at": TIMESTAMP,
        "phone_number": TEXT,
        "external_id": TEXT,
        # Answers of former versions of the API have these two; of `user_id` no type is documented.
        "user_id": TEXT,
        "page_views_count": BIGINT,
    },
    flattened={
        "last_response__id": BIGINT,
        "last_response__score": BIGINT,
        "last_response__text": TEXT,
        "last_response__survey__channel": TEXT,
        "settings__email_nps": BOOL,
        "settings__mobile_nps": BOOL,
        "settings__web_nps": BOOL,
        "settings__force_mobile_survey": BOOL,
        "settings__force_web_survey": BOOL,
        "settings__surveys_disabled_by_end_user": BOOL,
    },
    objects=("last_response", "settings", "properties"),
    properties=("properties",),
    default_sort_key="email",
)

RESPONSES = Table(
    name="responses",
    path="/v1/responses",
    columns={
        "id": BIGINT,
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
        "end_user_id": BIGINT,
        "survey_id": BIGINT,
        "score": BIGINT,
        "text": TEXT,
        "completed": BOOL,
        "excluded_from_calculations": BOOL,
        "ip_address": TEXT,
        "origin_url": TEXT,
    },
    # In recorded answers, and no part of the documentation.
    flattened={"end_user__email": TEXT},
    objects=("end_user",),
    properties=("end_user__properties",),
    lists=("tags", "notes"),
    text_lists=("tags",),
)

DECLINES = Table(
    name="declines",
    path="/v1/declines",
    columns={
        "id": BIGINT,
        "created_at": TIMESTAMP,
        "updated_at": TIMESTAMP,
        "end_user_id": BIGINT,
        "survey_id": BIGINT,
        "ip_address": TEXT,
        "origin_url": TEXT,
    },
    objects=("end_user",),
    properties=("end_user__properties",),
)

TABLES: Mapping[str, Table] = {table.name: table for table in (END_USERS, RESPONSES, DECLINES)}
