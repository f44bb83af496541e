"""The columns that dlt makes of nested fields with the customer's own keys."""

import re
from functools import cache
from zlib import crc32

from dlt import Schema

SEPARATOR = "__"
"""Between the names dlt makes a column's name of, for a field inside an object."""

_NAMEABLE = re.compile("[A-Za-z0-9]")


def named(key: str, schema: Schema) -> str:
    """The name of the column of a key, or of the part that it is of one; a key that dlt makes no name of is tagged."""
    return schema.naming.normalize_path(key if is_nameable(key) else tagged(key))


@cache
def is_nameable(key: str) -> bool:
    """Whether dlt makes a name of the key that tells it from others; of letters other than A to Z it makes none."""
    return key.isascii() and _NAMEABLE.search(key) is not None


def tagged(key: str) -> str:
    """The key with what tells it from others of the same name."""
    return f"{key}_{crc32(key.encode(errors='surrogatepass')):08x}"
