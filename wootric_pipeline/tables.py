"""The tables Wootric offers: where they are, what identifies a row, and which columns they have.

Three are lists of rows that are created and change. The others are overviews, each answer of which is whole: what an
account is set up with, and its own figures by day. Sources of the facts: the vendor's API documentation and Stitch's
integration page, whose columns are all here. Every column is declared, so that it exists with its type even while all
its values are null.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

DataType = Literal["bigint", "bool", "date", "double", "text", "timestamp"]

BIGINT: DataType = "bigint"
BOOL: DataType = "bool"
DATE: DataType = "date"
DOUBLE: DataType = "double"
TEXT: DataType = "text"
TIMESTAMP: DataType = "timestamp"

PRIMARY_KEY = "id"
CURSOR = "updated_at"
DELETED_AT = "_deleted_at"
"""Of lists, where rows that are gone are marked: when that was found out."""
PERSON = "end_user_id"
"""Of tables that refer to `end_users`."""
PERSON_IN_ROW = "end_user"
"""The object with some of the person's fields there."""


@dataclass(frozen=True, eq=False)
class Table:
    """One list of the API, or an overview, and the table it is loaded into.

    Attributes:
        name: The table's name, and the resource's.
        path: The list's path below the base URL.
        columns: Fields of a row with a single value, by name, and their dlt data types.
        flattened: Columns dlt makes of objects inside a row, by their final name.
        objects: Fields that hold an object or null.
        properties: Columns dlt would make of the objects with the customer's own keys.
        lists: Fields that hold a list.
        text_lists: Fields that hold a list of texts; each becomes a child table with a text column `value`.
        elements: Fields that hold a list of objects of which fields are documented, and these with their types.
        key: What identifies a row; rows are merged on it.
        needed: Fields without which rows cannot be read or merged.
        signs: Fields that each row has, as it comes, by which it is told from a row of another list.
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
    elements: Mapping[str, Mapping[str, DataType]] = field(default_factory=dict)
    key: tuple[str, ...] = (PRIMARY_KEY,)
    needed: tuple[str, ...] = (PRIMARY_KEY, CURSOR)
    signs: tuple[str, ...] = ()
    default_sort_key: str = "created_at"

    @cached_property
    def children(self) -> Mapping[str, Mapping[str, DataType]]:
        """The columns of the tables dlt makes of lists, as far as they are documented, by the field of the list."""
        return {**{name: {"value": TEXT} for name in self.text_lists}, **self.elements}

    @cached_property
    def fields(self) -> frozenset[str]:
        """Those of a row that are documented, as the API names them."""
        return frozenset((*self.columns, *self.objects, *self.lists))

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
    signs=("email", "properties"),
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
    signs=("score", "completed"),
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
    # None is a decline's alone, so that it takes all of them to be one.
    signs=("end_user_id", "survey_id", "ip_address", "origin_url"),
)

TABLES: Mapping[str, Table] = {table.name: table for table in (END_USERS, RESPONSES, DECLINES)}
"""The lists."""


@dataclass(frozen=True, eq=False)
class Overview(Table):
    """What the API answers at once, without pages and without a time by which changes could be asked for.

    Attributes:
        is_default: Whether it is read when no tables are chosen.
        date_params: The names of the parameters for the first and the last day of a range, if it has days.
    """

    is_default: bool = False
    date_params: tuple[str, str] | None = None


DAY = "date"
"""Of overviews by day: the day, in the account's time zone."""

SEGMENTS = Overview(
    name="segments",
    path="/v1/segments",
    columns={"name": TEXT, "data_type": TEXT, "created_at": TIMESTAMP},
    key=("name",),
    needed=("name",),
    is_default=True,
)

SURVEY_TEMPLATES = Overview(
    name="survey_templates",
    path="/v1/survey_templates",
    columns={
        "id": BIGINT,
        "name": TEXT,
        "is_default": BOOL,
        "default_language": TEXT,
        "non_configured_language_count": BIGINT,
    },
    lists=("languages", "custom_samplings"),
    elements={"languages": {"code": TEXT, "name": TEXT}},
    needed=(PRIMARY_KEY,),
    is_default=True,
)

NPS_SUMMARY = Overview(
    name="nps_summary",
    path="/v1/nps_summary",
    columns={
        DAY: DATE,
        "nps": BIGINT,
        "responses": BIGINT,
        "promoters": BIGINT,
        "passives": BIGINT,
        "detractors": BIGINT,
        "response_rate": BIGINT,
        "email_response_rate": BIGINT,
    },
    key=(DAY,),
    needed=(DAY,),
    date_params=("date[start]", "date[end]"),
)

EMAIL_STATS = Overview(
    name="email_stats",
    path="/v2/email_stats",
    columns={
        DAY: DATE,
        "source": TEXT,
        "send_date": TEXT,
        "send_requests": BIGINT,
        "emails_sent": BIGINT,
        "delivered": BIGINT,
        "delivered_percentage": TEXT,
        "bounce_rate": DOUBLE,
        "bounce_rate_percentage": TEXT,
        "open_rate": TEXT,
        "response_rate": TEXT,
        "not_eligible": TEXT,
    },
    flattened={
        "raw_results__processed": BIGINT,
        "raw_results__bounce": BIGINT,
        "raw_results__dropped": BIGINT,
        "raw_results__delivered": BIGINT,
        "raw_results__opted_out": BIGINT,
        "raw_results__not_delivered": BIGINT,
        "raw_results__open": BIGINT,
        "raw_results__spamreport": BIGINT,
        "raw_results__not_eligible": BIGINT,
        "raw_results__total_surveys": BIGINT,
        "raw_results__total_responses": BIGINT,
        "raw_results__start_date": TIMESTAMP,
        "raw_results__end_date": TIMESTAMP,
    },
    objects=("raw_results",),
    key=(DAY, "source"),
    needed=(DAY, "source"),
    date_params=("date_range[start_date]", "date_range[end_date]"),
)

EMAIL_SOURCES = Overview(
    name="email_sources",
    path="/v2/email_stats/sources",
    columns={"id": TEXT, "kind": TEXT, "name": TEXT, "date": TEXT},
    needed=(PRIMARY_KEY,),
)

OVERVIEWS: Mapping[str, Overview] = {
    overview.name: overview for overview in (SEGMENTS, SURVEY_TEMPLATES, NPS_SUMMARY, EMAIL_STATS, EMAIL_SOURCES)
}
ALL_TABLES: Mapping[str, Table] = {**TABLES, **OVERVIEWS}
DEFAULT_TABLES: tuple[str, ...] = (*TABLES, *(name for name, overview in OVERVIEWS.items() if overview.is_default))
"""Read when no tables are chosen."""
