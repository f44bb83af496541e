"""Answers that no sound server gives: each ends in time, in little memory and in one sentence, or is read after all."""

import gzip
import json
import logging
import math
import re
import time
import tracemalloc
import zlib
from collections.abc import Iterable
from email.utils import formatdate
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOON, Serve, first, row
from tests.script import TABLE_NAMES, WITHOUT_BACKOFF, Outcome, Project, project_for
from tests.scripted import PAGE, RESET, TOKEN, Answer, Scripted, answer, issued, talking
from wootric_pipeline.api.client import Credentials
from wootric_pipeline.api.rate_limit import RATE_WAIT_SECONDS_MAX
from wootric_pipeline.api.transport import BROKEN_ANSWERS_MAX, RETRY_SECONDS_MAX
from wootric_pipeline.errors import ApiUnavailable, AuthenticationFailed, ConfigurationError, UnexpectedAnswer
from wootric_pipeline.records import NESTING_MAX
from wootric_pipeline.sandbox import Account

SECONDS_MAX = 0.3
"""For a whole answer, in these tests."""
OK = b"HTTP/1.1 200 OK\r\n"
SIZED, CHUNKED = OK + b"Content-Length: 1000000\r\n\r\n", OK + b"Transfer-Encoding: chunked\r\n\r\n"
ROWS = b'[{"id": 1}]'
HTML = {"Content-Type": "text/html; charset=utf-8"}
FORBIDDEN = Answer(403, b"<html>Request blocked. Your address is 192.0.2.1.</html>", HTML)
TOO_LARGE = "Wootric answered /v1/responses with more than 100 MB, where 50 rows belong."
NO_JSON = "Wootric answered /v1/responses with something that is not JSON."
FIREWALL = "Something between here and Wootric, such as a firewall, answered"


def raw(*pieces: bytes) -> Answer:
    """An answer as it goes over the wire, after which the connection is closed."""
    return Answer(pieces=pieces)


def slow(*pieces: bytes, then: Iterable[bytes]) -> Answer:
    """One whose pieces come in time each."""
    return Answer(pieces=chain(pieces, then), pause_seconds=0.01)


def dripping() -> dict[str, Answer]:
    return {
        "status": slow(then=chain([b"HTTP/1.1 200 "], repeat(b"O"))),
        "headers": slow(OK, then=repeat(b"X: 1\r\n")),
        "continue": slow(then=repeat(b"HTTP/1.1 100 Continue\r\n\r\n")),
        "body": slow(SIZED, then=repeat(b" ")),
        "open end": slow(OK + b"\r\n", then=repeat(b" ")),
        "chunk": slow(CHUNKED + b"100000\r\n", then=repeat(b" ")),
        "chunks": slow(CHUNKED, then=repeat(b"1\r\n \r\n")),
        "chunk size": slow(CHUNKED, then=repeat(b"0")),
        "trailers": slow(CHUNKED + b"2\r\n[]\r\n0\r\n", then=repeat(b"X: 1\r\n")),
    }


@pytest.mark.parametrize("kind", dripping())
def test_an_answer_that_drips_is_given_up_and_asked_for_again(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    with talking(dripping()[kind], PAGE) as talk:
        talk.client.sign_in()
        monkeypatch.setattr("wootric_pipeline.api.wire.ANSWER_SECONDS_MAX", SECONDS_MAX)
        assert talk.get() == [{"id": 1}]
        assert len(talk.server.sent("GET")) == 2


@pytest.mark.parametrize("kind", ["headers", "body", "chunk"])
def test_a_server_that_only_drips_is_given_up(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr("wootric_pipeline.api.transport.RETRY_SECONDS_MAX", 5)
    with talking(*[dripping()[kind] for _ in range(50)]) as talk:
        talk.client.sign_in()
        monkeypatch.setattr("wootric_pipeline.api.wire.ANSWER_SECONDS_MAX", 0.1)
        with pytest.raises(ApiUnavailable, match=r"for 5 seconds \(last: no answer in time\)"):
            talk.get()


def bomb(megabytes: int) -> bytes:
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress(b"[")
    return packed + b"".join(packer.compress(bytes([32]) * 1_000_000) for _ in range(megabytes)) + packer.flush()


def endless(piece: bytes) -> Iterable[bytes]:
    return repeat(piece * 10_000)


def large() -> dict[str, Answer]:
    return {
        "packed": Answer(200, bomb(20), {"Content-Encoding": "gzip"}),
        "sized": Answer(pieces=chain([OK + b"Content-Length: 999999999999\r\n\r\n"], endless(b" "))),
        "chunks": Answer(pieces=chain([CHUNKED], endless(b"1\r\n \r\n"))),
        "trailers": Answer(pieces=chain([CHUNKED + b"2\r\n[]\r\n0\r\n"], endless(b"X: 1\r\n"))),
        "continue": Answer(pieces=endless(b"HTTP/1.1 100 Continue\r\n\r\n")),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", large())
def test_an_answer_that_is_too_large_is_stopped_while_it_is_read(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    with talking(large()[kind]) as talk:
        talk.client.sign_in()
        monkeypatch.setattr("wootric_pipeline.api.wire.ANSWER_BYTES_MAX", 2_000_000)
        tracemalloc.start()
        try:
            with pytest.raises(UnexpectedAnswer) as raised:
                talk.get()
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert str(raised.value) == TOO_LARGE
        assert peak_bytes < 8_000_000
        assert len(talk.server.sent("GET")) == 1


def test_what_is_as_large_as_allowed_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    body = json.dumps([{"id": 1, "text": "a" * 500_000}]).encode()
    monkeypatch.setattr("wootric_pipeline.api.wire.ANSWER_BYTES_MAX", len(body))
    packed = Answer(200, gzip.compress(body), {"Content-Encoding": "gzip"})
    with talking(packed) as talk:
        assert talk.get() == json.loads(body)


NOT_READABLE = {
    "empty": Answer(200, b""),
    "no content": Answer(204, b""),
    "reset content": Answer(205, b""),
    "part": Answer(206, ROWS, {"Content-Range": "bytes 0-10/1000"}),
    "not modified": Answer(304, b""),
    "another protocol": raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
    "early hints": raw(b"HTTP/1.1 103 Early Hints\r\n\r\n", OK, b"Content-Length: 2\r\n\r\n[]"),
    "too short a length": raw(OK, b"Content-Length: 2\r\n\r\n", ROWS),
    "open end": raw(OK, b"Connection: close\r\n\r\n", ROWS[:-1]),
    "gzip cut short": Answer(200, gzip.compress(ROWS * 100)[:-40], {"Content-Encoding": "gzip"}),
    "no gzip": Answer(200, ROWS, {"Content-Encoding": "gzip"}),
    "brotli": Answer(200, ROWS, {"Content-Encoding": "br"}),
    "unknown encoding": Answer(200, ROWS, {"Content-Encoding": "rot13"}),
    "packed twice": Answer(200, gzip.compress(gzip.compress(ROWS)), {"Content-Encoding": "gzip, gzip"}),
    "web page": Answer(200, b"<html>Sign in</html>", HTML),
    "UTF-16": Answer(200, '[{"id": 1}]'.encode("utf-16")),
    "deep": Answer(200, b"[" * 100_000 + b"]" * 100_000),
    "forbidden": FORBIDDEN,
    "forbidden in words": Answer(403, b"Forbidden"),
    "forbidden without words": Answer(403, b""),
    "forbidden by a list": answer(["no"], 403),
    "unauthorized page": Answer(401, b"<!DOCTYPE html>", {}),
}
BROKEN_OFF = {
    "reset": RESET,
    "reset in the body": Answer(0, pieces=[SIZED + ROWS]),
    "promised more": Answer(200, ROWS, missing=100),
    "chunk cut short": raw(CHUNKED, b"b\r\n", ROWS[:5]),
    "no last chunk": raw(CHUNKED, b"b\r\n", ROWS, b"\r\n"),
    "no chunk": raw(CHUNKED, ROWS),
    "negative chunk": raw(CHUNKED, b"-5\r\n", ROWS, b"\r\n0\r\n\r\n"),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "many headers": raw(OK, b"X: 1\r\n" * 200, b"\r\n"),
    "long header": raw(OK, b"X: " + b"1" * 100_000 + b"\r\n\r\n"),
    "two lengths": raw(OK, b"Content-Length: 2\r\nContent-Length: 11\r\n\r\n", ROWS),
    "closed": raw(b""),
}


@pytest.mark.parametrize("kind", [*NOT_READABLE, *BROKEN_OFF])
def test_an_answer_that_cannot_be_used_is_asked_for_again(kind: str) -> None:
    with talking({**NOT_READABLE, **BROKEN_OFF}[kind], PAGE) as talk:
        assert talk.get() == [{"id": 1}]
        assert len(talk.server.sent("GET")) == 2


@pytest.mark.parametrize("kind", NOT_READABLE)
def test_an_answer_that_can_never_be_used_is_given_up(kind: str) -> None:
    with talking(NOT_READABLE[kind]) as talk:
        with pytest.raises(UnexpectedAnswer, match=f"^(Wootric|{FIREWALL[:-9]}) answered /v1/responses with [^.]*\\.$"):
            talk.get()
        assert len(talk.server.sent("GET")) == BROKEN_ANSWERS_MAX


@pytest.mark.parametrize("kind", BROKEN_OFF)
def test_answers_that_always_break_off_are_an_outage(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr("wootric_pipeline.api.transport.RETRY_SECONDS_MAX", 20)
    with (
        talking(BROKEN_OFF[kind]) as talk,
        pytest.raises(
            ApiUnavailable,
            match=r"^Wootric gave .* for 20 seconds \(last: (the answer broke off|the connection failed)\)\.$",
        ),
    ):
        talk.get()


GOOD = {
    "byte order mark": Answer(200, b"\xef\xbb\xbf" + ROWS),
    "gzip": Answer(200, gzip.compress(ROWS), {"Content-Encoding": "gzip"}),
    "gzip without its end": Answer(200, gzip.compress(ROWS)[:-8], {"Content-Encoding": "gzip"}),
    "deflate": Answer(200, zlib.compress(ROWS), {"Content-Encoding": "deflate"}),
    "identity": Answer(200, ROWS, {"Content-Encoding": "identity"}),
    "chunked": raw(CHUNKED, b"5;a=b\r\n", ROWS[:5], b"\r\n6\r\n", ROWS[5:], b"\r\n0\r\nX: 1\r\n\r\n"),
    "no length": raw(OK, b"Connection: close\r\n\r\n", ROWS),
    "odd length": raw(OK, b"Content-Length: some\r\nConnection: close\r\n\r\n", ROWS),
    "negative length": raw(OK, b"Content-Length: -5\r\nConnection: close\r\n\r\n", ROWS),
    "more than its length": raw(OK, b"Content-Length: 11\r\n\r\n", ROWS, b"HTTP/1.1 200 OK\r\n\r\n[]"),
    "continue": raw(b"HTTP/1.1 100 Continue\r\n\r\n" * 3, OK, b"Content-Length: 11\r\n\r\n", ROWS),
    "odd headers": Answer(200, ROWS, {"Date": "9" * 5_000, "Retry-After": "soon", "Set-Cookie": "a=b; Max-Age=x"}),
    "odd limit": Answer(200, ROWS, {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "nan"}),
    "odder limit": Answer(200, ROWS, {"X-Rate-Limit-Remaining": "9" * 5_000, "X-Rate-Limit-Reset": "1"}),
}


@pytest.mark.parametrize("kind", GOOD)
def test_what_is_odd_and_complete_is_read(kind: str) -> None:
    with talking(GOOD[kind]) as talk:
        assert [talk.get(), talk.get()] == [[{"id": 1}]] * 2
        assert len(talk.server.sent("GET")) == 2
        assert talk.clock.sleeps == []


def test_connections_are_kept_for_the_next_request() -> None:
    with talking(*[GOOD["gzip"], PAGE] * 5) as talk:
        for _ in range(10):
            talk.get()
        assert talk.server.connections == 1


def test_cookies_are_neither_kept_nor_sent() -> None:
    with talking(answer([], set_cookie="session=1; Path=/"), PAGE) as talk:
        talk.get()
        talk.get()
        assert "Cookie" not in talk.server.sent("GET")[1].headers


def test_a_web_page_with_403_does_not_mean_the_credentials() -> None:
    with talking(FORBIDDEN) as talk:
        with pytest.raises(UnexpectedAnswer) as raised:
            talk.get()
        assert str(raised.value) == f"{FIREWALL} /v1/responses with status 403 and a web page, as Wootric never does."
    with talking(answer({"error": "forbidden"}, 403)) as talk:
        with pytest.raises(AuthenticationFailed, match="does not let these credentials read /v1/responses"):
            talk.get()
        assert len(talk.server.sent("GET")) == 1


@pytest.mark.parametrize(
    "page", [FORBIDDEN, Answer(401, FORBIDDEN.body, HTML), Answer(403, b"")], ids=["403", "401", "empty"]
)
def test_a_web_page_at_sign_in_does_not_mean_the_credentials(page: Answer) -> None:
    with talking(PAGE, sign_in=(page, page, TOKEN)) as talk:
        assert talk.get() == [{"id": 1}]
    with talking(PAGE, sign_in=(page,)) as talk:
        for attempts in (1, 2):
            with pytest.raises(UnexpectedAnswer, match=f"{FIREWALL} /oauth/token with"):
                talk.client.sign_in()
            assert len(talk.server.sent("POST")) == attempts * BROKEN_ANSWERS_MAX


def test_a_bad_request_page_at_sign_in_means_a_wrong_address() -> None:
    with (
        talking(PAGE, sign_in=(Answer(400, b"<html>", HTML),)) as talk,
        pytest.raises(ConfigurationError, match="base_url"),
    ):
        talk.client.sign_in()


@pytest.mark.parametrize("token", ["a\r\nX: 1", "a b", "caf\xe9", "\u2603", "a\0b", "\ud83d"], ids=ascii)
def test_a_token_that_no_header_can_hold_is_none(token: str) -> None:
    with (
        talking(PAGE, sign_in=(issued(token),)) as talk,
        pytest.raises(AuthenticationFailed, match="without an access_token"),
    ):
        talk.get()


@pytest.mark.parametrize("lifetime", ["7200", None, 0, -5, True, 10**30, [], "soon"], ids=ascii)
def test_a_lifetime_that_is_none_is_two_hours_or_less(lifetime: Any) -> None:
    with talking(PAGE, sign_in=(issued("token-1", expires_in=lifetime),)) as talk:
        talk.get()
        talk.clock.elapsed += 0 if lifetime is True else 7_000
        talk.get()
        assert len(talk.server.sent("POST")) == 1


@pytest.mark.parametrize("lifetime", [b"1e400", b"NaN", b"9" * 5_000], ids=["1e400", "NaN", "digits"])
def test_a_lifetime_that_is_no_number_is_two_hours(lifetime: bytes) -> None:
    token = Answer(200, b'{"access_token": "token-1", "expires_in": ' + lifetime + b"}")
    with talking(PAGE, sign_in=(token,)) as talk:
        talk.get()
        talk.clock.elapsed += 7_000
        talk.get()
        assert len(talk.server.sent("POST")) == 1


@pytest.mark.parametrize("status", [408, 425])
def test_a_timeout_of_the_servers_is_asked_again(status: int) -> None:
    with talking(answer({}, status), PAGE) as talk:
        assert talk.get() == [{"id": 1}]
    with (
        talking(answer({}, status)) as talk,
        pytest.raises(ApiUnavailable, match=rf"for 900 seconds \(last: status {status}\)"),
    ):
        talk.get()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        ("17", 17),
        (" 17 ", 17),
        ("17.5", 17.5),
        (formatdate(NOON + 40, usegmt=True), 40),
        (formatdate(NOON + 40).replace("-0000", "+0000"), 40),
        (time.asctime(time.gmtime(NOON + 40)), 40),
        ("100000", RATE_WAIT_SECONDS_MAX),
        (formatdate(NOON + 10**9, usegmt=True), RATE_WAIT_SECONDS_MAX),
    ],
    ids=ascii,
)
def test_a_wait_that_the_server_asks_for_is_kept(status: int, retry_after: str, seconds: float) -> None:
    # The date is one on the server's clock.
    headers = {"date": formatdate(NOON, usegmt=True), "retry_after": retry_after}
    with talking(answer({}, status, **headers), PAGE) as talk:
        talk.client.sign_in()
        assert talk.get() == [{"id": 1}]
        assert talk.clock.sleeps == [seconds]


def test_a_date_to_wait_for_is_by_the_servers_clock() -> None:
    ahead = 86_400
    headers = {"date": formatdate(NOON + ahead, usegmt=True), "retry_after": formatdate(NOON + ahead + 30, usegmt=True)}
    with talking(answer({}, 503, **headers), PAGE) as talk:
        talk.get()
        assert talk.clock.sleeps == [30]


@pytest.mark.parametrize(
    "retry_after",
    ["", "soon", "-5", "0", "1e9", "nan", "inf", "9" * 5_000, "0x10", formatdate(NOON - 60, usegmt=True)],
    ids=lambda text: ascii(text)[:20],
)
def test_a_wait_that_is_none_is_passed_over(retry_after: str) -> None:
    with talking(answer({}, 503, retry_after=retry_after), PAGE) as talk:
        assert talk.get() == [{"id": 1}]
        (seconds,) = talk.clock.sleeps
        assert seconds <= 1


@pytest.mark.parametrize("status", [200, 500])
def test_other_answers_cannot_ask_for_a_wait(status: int) -> None:
    with talking(Answer(status, b"<html>", {"Retry-After": "200"}), PAGE) as talk:
        assert talk.get() == [{"id": 1}]
        (seconds,) = talk.clock.sleeps
        assert seconds <= 1


def test_waits_that_the_server_asks_for_end_with_the_time_for_retries() -> None:
    with talking(answer({}, 503, retry_after="250")) as talk:
        with pytest.raises(ApiUnavailable, match="for 900 seconds"):
            talk.get()
        assert talk.clock.sleeps == [250, 250, 250, 150]
        assert talk.clock.elapsed == RETRY_SECONDS_MAX


def test_the_longer_of_two_waits_for_the_limit_counts() -> None:
    both = {"x_rate_limit_remaining": "0", "x_rate_limit_reset": str(NOON + 50)}
    for retry_after, seconds in (("20", 50), ("80", 80)):
        with talking(answer({}, 429, retry_after=retry_after, **both), PAGE) as talk:
            talk.get()
            assert talk.clock.elapsed == seconds


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path, client_id="the-id", client_secret="the-secret")


def run(project: Project, server: Scripted, *words: str, prelude: str = WITHOUT_BACKOFF) -> Outcome:
    project.set(base_url=server.url)
    return project.run("--tables", "responses", *words, prelude=prelude)


def odd_account() -> Account:
    """Of one row with five values that no database can hold, and one with one."""
    properties = {"amount": math.inf, "big": 10**20, "raw": "a\x01\tb", "zero": -0.0, "icon": "\uf027 half"}
    account = Account()
    rows = [
        row(1, NOON, score=math.nan, text="half \ud83d, \0 and \U0001f600", end_user={"properties": properties}),
        row(2, NOON + 3_600, score=9, text="caf\udce9", end_user={"properties": {"amount": 5}}),
    ]
    account.fill("responses", rows)
    return account


@pytest.mark.slow
def test_values_that_no_database_can_hold_are_replaced_counted_and_told(serve: Serve, tmp_path: Path) -> None:
    project = project_for(serve(odd_account()), tmp_path)
    report = project.run("--json", "--log-file", "wootric.log", "--debug", "--tables", ",".join(TABLE_NAMES)).report
    counts = {name: (table["complete"], table["rows"], table["odd_values"]) for name, table in report["tables"].items()}
    assert counts == {"end_users": (True, 0, 0), "responses": (True, 2, 5), "declines": (True, 0, 0)}
    names = ("amount", "big__v_text", "raw", "zero", "icon")
    properties = ", ".join(f"end_user__properties__{name}" for name in names)
    assert project.ask(f"SELECT id, score, text, {properties} FROM wootric.responses ORDER BY id") == [
        (1, None, "half \ufffd, \ufffd and \U0001f600", None, "100000000000000000000", "a\x01\tb", 0.0, "\uf027 half"),
        (2, 9, "caf\ufffd", 5, None, None, None, None),
    ]
    for hidden in ("half", "caf", "1000000", "amount"):
        assert hidden not in (project.folder / "wootric.log").read_text()
    # The last row is read again, and not loaded again.
    again = project.run("--json").report["tables"]["responses"]
    assert (again["rows"], again["rows_unchanged"], again["odd_values"]) == (0, 1, 0)
    again = project.run("--full-refresh", "--tables", "responses")
    assert "responses: 5 values are not loaded as they came." in again.stdout.splitlines()


IN_A_HURRY = (
    f"{WITHOUT_BACKOFF}; c.RETRY_SECONDS_MAX = 1; import wootric_pipeline.api.wire as w; "
    "w.ANSWER_SECONDS_MAX = 0.2; w.ANSWER_BYTES_MAX = 2_000_000"
)


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (Answer(200, bomb(50), {"Content-Encoding": "gzip"}), TOO_LARGE),
        *first(
            (FORBIDDEN, f"{FIREWALL} /v1/responses with status 403 and a web page, as Wootric never does."),
            (
                Answer(403, b"Forbidden"),
                f"{FIREWALL} /v1/responses with status 403 and no JSON, as Wootric never does.",
            ),
        ),
        *first(
            (Answer(204, b""), "Wootric answered /v1/responses with status 204."),
            (Answer(206, b"[]"), "Wootric answered /v1/responses with status 206."),
            (Answer(304, b""), "Wootric answered /v1/responses with status 304."),
        ),
        *first((Answer(200, b"[" * 10**6), NO_JSON), (Answer(200, b"[]", {"Content-Encoding": "br"}), NO_JSON)),
    ],
    ids=["bomb", "web page", "words", "204", "206", "304", "deep", "brotli"],
)  # fmt: skip
def test_what_can_never_be_read_is_told_in_one_sentence(project: Project, reply: Answer, sentence: str) -> None:
    with Scripted(reply) as server:
        outcome = run(project, server, prelude=IN_A_HURRY)
    assert (outcome.code, outcome.sentence) == (1, sentence)


@pytest.mark.parametrize(
    ("kind", "last"),
    [*first(("body", "no answer in time"), ("headers", "no answer in time")), ("reset", "the connection failed")],
)
def test_what_never_comes_is_told_in_one_sentence(project: Project, kind: str, last: str) -> None:
    with Scripted(*[{**dripping(), "reset": RESET}[kind] for _ in range(500)]) as server:
        outcome = run(project, server, prelude=IN_A_HURRY)
    assert outcome.code == 1
    assert re.fullmatch(
        rf"Wootric gave no usable answer to /v1/responses for \d seconds \(last: {last}\)\.", outcome.sentence
    )


def test_a_redirect_is_a_mistake_in_the_settings(project: Project) -> None:
    with Scripted(answer({}, 302, location="/v1/responses")) as server:
        outcome = run(project, server)
    assert (outcome.code, len(server.sent("GET"))) == (2, 1)
    assert "redirects elsewhere, which is not followed; set base_url to the API's own address." in outcome.sentence


def test_what_is_nested_as_deep_as_allowed_is_loaded(serve: Serve, tmp_path: Path) -> None:
    objects: Any = 5
    lists: Any = 5
    for _ in range(NESTING_MAX):
        objects, lists = {"a": objects}, [lists]
    account = Account()
    account.fill("responses", [row(1, NOON, new=objects), row(2, NOON, other=lists)])
    outcome = project_for(serve(account), tmp_path).run("--tables", "responses")
    assert (outcome.code, outcome.stderr) == (0, "")


@pytest.mark.parametrize(
    "location", ["/v1/responses", "http://[", "\x00", "//", "http://127.0.0.1:1/" + "a" * 50_000], ids=str.__len__
)
def test_a_redirect_is_not_looked_at(monkeypatch: pytest.MonkeyPatch, location: str) -> None:
    packed = {"Content-Encoding": "gzip", "Location": location}
    with talking(Answer(302, bomb(1), packed), Answer(302, bomb(20), packed)) as talk:
        with pytest.raises(ConfigurationError, match="redirects elsewhere, which is not followed"):
            talk.get()
        monkeypatch.setattr("wootric_pipeline.api.wire.ANSWER_BYTES_MAX", 2_000_000)
        tracemalloc.start()
        try:
            with pytest.raises(UnexpectedAnswer):
                talk.get()
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak_bytes < 8_000_000
        assert len(talk.server.sent("GET")) == 2


@pytest.mark.parametrize("line", [b"no header", b" folded: x", b": x", b"\xff\xfe"])
def test_an_odd_header_does_not_bring_the_account_token_into_a_log(
    caplog: pytest.LogCaptureFixture, line: bytes
) -> None:
    caplog.set_level(logging.DEBUG)
    person = Credentials("", "", "ada@example.com", "the-password", "NPS-the-token")
    sign_in = raw(OK + line + b"\r\nContent-Length: %d\r\n\r\n" % len(TOKEN.body), TOKEN.body)
    with talking(PAGE, sign_in=(sign_in,), credentials=person) as talk:
        assert talk.get() == [{"id": 1}]
    assert "the-" not in caplog.text
