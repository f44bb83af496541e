"""Rows of any JSON, and what a destination should hold of them."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from dlt.pipeline.pipeline import Pipeline
from hypothesis import strategies as st

from tests.conftest import NOON, Serve, access, row
from tests.tables import selected
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.sandbox import Account

KEYS = st.text(max_size=12).filter(lambda key: "\0" not in key)
OFTEN = st.sampled_from(
    ["plan", "Plan", "plan__tier", "tier", "v_text", "seats", "größe", "", "_dlt_id", "id", "value"]
)
TEXTS = st.text() | st.builds(str.__add__, st.sampled_from([chr(0xF026 + each) for each in range(9)]), st.text())
NUMBERS = st.integers(-(10**40), 10**40) | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | OFTEN, inner, max_size=4),
    max_leaves=8,
)
PROPERTIES = st.dictionaries(KEYS | OFTEN, VALUES, max_size=8)
ROWS = st.lists(PROPERTIES, min_size=1, max_size=12)

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def assert_loaded_as_they_are(pipeline: Pipeline, serve: Serve, rows: list[dict[str, Any]]) -> None:
    """Loads rows with these properties, in two runs, and compares all that the destination holds of each."""
    account = Account()
    sandbox = serve(account)
    for half in (0, 1):
        for row_id, properties in list(enumerate(rows))[half::2]:
            account.put("end_users", row(row_id, NOON + 1_000 * half + row_id, properties=properties))
        run = Run()
        load(pipeline, source_for(run, **access(sandbox)), run, ["end_users"])
    held = {
        found["id"]: Counter(_same(value) for name, value in found.items() if name.startswith("properties"))
        for found in selected(pipeline, "end_users")
    }
    nothing = {_same(None)}
    assert {
        row_id: {each: count for each, count in found.items() if each not in nothing} for row_id, found in held.items()
    } == {
        row_id: dict(Counter(_same(value) for value in _leaves(properties))) for row_id, properties in enumerate(rows)
    }


def _leaves(value: Any) -> Iterator[Any]:
    """The values that get a column each."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif value is not None:
        yield json.dumps(_without_digits(value)) if isinstance(value, list) else value


def _without_digits(value: Any) -> Any:
    """A list as it is in a text of JSON, where numbers beyond 64 bits are texts."""
    if isinstance(value, dict):
        return {key: _without_digits(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_digits(inner) for inner in value]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(value) if is_number and not -(2**63) <= value < 2**63 else value


def _same(value: Any) -> str | None:
    """A value as a text that is the same in whatever type a column holds it."""
    if value is None:
        return None
    text = value.replace("\0", "\ufffd") if isinstance(value, str) else str(value)
    if text.startswith("["):
        try:
            return json.dumps(json.loads(text.replace("\\u0000", "\ufffd")))
        except ValueError:
            return text
    text = {"true": "1", "false": "0"}.get(text.lower(), text)
    if not _NUMBER.fullmatch(text):
        return text
    return str(int(text)) if text.lstrip("-").isdigit() else _number(float(text))


def _number(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) <= 2**53 else repr(number)
