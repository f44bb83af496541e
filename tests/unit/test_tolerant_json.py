"""What is not quite JSON is read, and what no database can hold is replaced and counted."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wootric_pipeline.api.tolerant_json import parsed
from wootric_pipeline.records import Digits, OddRow, odd_values


def in_row(value: bytes) -> bytes:
    return b'[{"id": 1, "text": "Fine."}, {"id": 2, "value": ' + value + b"}]"


def assert_counted(content: Any, value: Any, replaced: int) -> None:
    """Whether the second row has the value, and counts what was replaced; the first is as usual."""
    assert content == [{"id": 1, "text": "Fine."}, {"id": 2, "value": value}]
    assert [type(row) for row in content] == [dict, OddRow if replaced else dict]
    assert odd_values(content) == replaced


@pytest.mark.parametrize(
    ("value", "replacement"),
    [
        (b"NaN", None),
        (b"Infinity", None),
        (b"-Infinity", None),
        (rb'"a\ud83d"', "a\ufffd"),
        (rb'"\ude00b"', "\ufffdb"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"a\u0000b"', "a\ufffdb"),
        (rb'"\\\u0000"', "\\\ufffd"),
        (b'"a\0b"', "a\ufffdb"),
        (b'"caf\xe9"', "caf\ufffd"),
        (b'"\xed\xa0\xbd"', "\ufffd\ufffd\ufffd"),
        (rb'{"a\u0000": 1}', {"a\ufffd": 1}),
        (rb'"\uf026\u0000"', "\uf026\ufffd"),
    ],
)
def test_a_value_that_no_database_can_hold_is_replaced_and_counted(value: bytes, replacement: Any) -> None:
    assert_counted(parsed(in_row(value)), replacement, 1)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b'"a\x01\t\n\x1fb"', "a\x01\t\n\x1fb"),
        (rb'"\u0001"', "\x01"),
        (rb'"\ud83d\ude00"', "\U0001f600"),
        (rb'"C:\\u0000"', r"C:\u0000"),
        ('"caf\xe9 \ufffd"'.encode(), "caf\xe9 \ufffd"),
        ('"\uf025a\uf02d"'.encode(), "\uf025a\uf02d"),
        (rb'"\uf02fa"', "\uf02fa"),
        ('{"\uf026a": 1}'.encode(), {"\uf026a": 1}),
        (b"-0", 0),
        (b"1e-400", 0.0),
        (b"0.30000000000000004", 0.30000000000000004),
        (b"1234567890.12345", 1234567890.12345),
        (b"-9223372036854775808", -(2**63)),
        (b"9223372036854775807", 2**63 - 1),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_any_other_value_is_kept(value: bytes, kept: Any) -> None:
    assert_counted(parsed(in_row(value)), kept, 0)


@pytest.mark.parametrize(
    "digits",
    [
        *(
            "9223372036854775808",
            "-9223372036854775809",
            "123456789012345678901234567890",
            "9" * 5_000,
            "1e400",
            "-1e400",
        ),
        *("0.12345678901234567890", "1." + "9" * 5_000, "12345678901234567.5", "1e-99999999999999999999"),
    ],
    ids=lambda digits: digits[:30],
)
def test_a_number_that_would_lose_digits_is_kept_as_it_is_written(digits: str) -> None:
    for inside in (digits, f"[{digits}]", f'{{"a": {digits}}}'):
        content = parsed(in_row(inside.encode()))[1]["value"]
        (found,) = content if isinstance(content, list) else [content["a"] if isinstance(content, dict) else content]
        assert (found, type(found)) == (digits, Digits)


@pytest.mark.parametrize("start", [r"\uF026", "\uf026", r"\uf02E", "\uf02e", "\uf02a"])
def test_a_row_with_a_text_that_begins_with_a_mark_of_dlts_is_told(start: str) -> None:
    first, second = parsed(in_row(f'{{"a": ["{start} pinned"]}}'.encode()))
    assert second == {"id": 2, "value": {"a": [json.loads(f'"{start} pinned"')]}}
    assert (type(first), type(second), second.has_marks, second.odd_values) == (dict, OddRow, True, 0)


@pytest.mark.parametrize(
    "value", [b'"\xc3\xa9 \\ud83d\\ude00"', b"-0", b"18446744073709551616", b'{"a": 1, "a": 2}', b"1e-400"]
)
def test_a_value_beside_one_that_is_replaced_is_read_as_ever(value: bytes) -> None:
    (alone,), (beside, _) = parsed(b"[" + value + b"]"), parsed(b"[" + value + b", NaN]")
    assert beside == alone


def test_each_row_counts_its_own() -> None:
    rows = parsed(b'[{"a": NaN, "b": [Infinity, {"c": "\\ud83d\\u0000"}]}, {"a": 1}, {"a": "\xff\xff"}, NaN]')
    assert rows == [{"a": None, "b": [None, {"c": "\ufffd\ufffd"}]}, {"a": 1}, {"a": "\ufffd\ufffd"}, None]
    assert [odd_values([row]) for row in rows] == [3, 0, 1, 0]


@pytest.mark.parametrize("good", [b"[]", b'{"access_token": "t"}', b'"\xc3\xa9"', b"null", b"5"])
def test_a_byte_order_mark_is_passed_over(good: bytes) -> None:
    assert parsed(b"\xef\xbb\xbf" + good) == parsed(good)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xef\xbb\xbf",
        b"<html>",
        b"[NaN",
        b'[{"id": 1}',
        b"[1]]",
        b"[nan]",
        b"['a']",
        b"[1,]",
        b'["a',
        b"\xff\xfe[\0]\0",
    ],
)
def test_what_is_no_json_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parsed(body)


@pytest.mark.parametrize(
    ("opens", "inner", "closes", "depth"),
    [
        (b"[", b"", b"", 10**5),
        (b"[", b"", b"]", 10**5),
        (b'{"a":', b"NaN", b"}", 10**5),
        (b"[", rb'"\u0000"', b"]", 1_000),
    ],
    ids=["open", "lists", "objects", "replaced"],
)
def test_what_is_nested_too_deep_is_an_error(opens: bytes, inner: bytes, closes: bytes, depth: int) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parsed(opens * depth + inner + closes * depth)


@pytest.mark.parametrize("depth", [1_100, 10**5])
@pytest.mark.parametrize(("opens", "closes"), [(b"[", b"]"), (b'{"a\\"[":', b"}"), (b'[{"":', b"}]")])
@pytest.mark.parametrize("inner", [b"1", b'"[\\\\"', b"NaN"])
def test_a_value_that_is_nested_too_deep_is_null_where_it_is_and_counted(
    depth: int, opens: bytes, closes: bytes, inner: bytes
) -> None:
    good, odd = parsed(in_row(opens * depth + inner + closes * depth))
    assert (good, type(good)) == ({"id": 1, "text": "Fine."}, dict)
    assert (odd["id"], odd_values([odd])) == (2, 1)
    value, levels = odd["value"], 0
    while value is not None:
        (value,) = value.values() if isinstance(value, dict) else value
        levels += 1
    # In the list and in the row there are two more.
    assert levels == 198


def test_a_value_is_replaced_however_deep_it_is() -> None:
    _, odd = parsed(
        in_row(b"[" * 190 + rb'"\u0000"' + b"]" * 190 + b', "deep": ' + b"[" * 600 + rb'"\u0000"' + b"]" * 600)
    )
    assert odd_values([odd]) == 2
    assert str(odd["value"]).strip("[]") == "'\ufffd'"


FRAGMENTS = (b"[", b"]", b'"', b"\\", b"ud83d", b"u0000", b"NaN", b"\0", b"\xf0", b",", b"1e999", b"{", b"}", b":")


@given(st.binary() | st.lists(st.sampled_from(FRAGMENTS)).map(b"".join))
def test_whatever_is_read_can_be_written(body: bytes) -> None:
    try:
        content = parsed(body)
    except ValueError:
        return
    written = json.dumps(content, allow_nan=False, ensure_ascii=False).encode()
    assert b"\0" not in written
    assert json.loads(written) == content
