"""How often the client asks again, how long it sleeps meanwhile, and when it gives up."""

import socket
import threading
import time
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from tests.conftest import NOON
from tests.scripted import PAGE, RESET, TOKEN, Answer, FakeClock, Scripted, Talk, answer, connected, issued, talking
from wootric_pipeline.api.rate_limit import RATE_WAIT_SECONDS_MAX
from wootric_pipeline.api.transport import BACKOFF_SECONDS_MAX, BROKEN_ANSWERS_MAX, RETRY_SECONDS_MAX
from wootric_pipeline.errors import (
    ApiUnavailable,
    ConfigurationError,
    HostUnreachable,
    ListRefused,
    NotThere,
    RateLimitExceeded,
    RequestRefused,
    UnexpectedAnswer,
    WootricError,
)

TRUNCATED = Answer(200, b'[{"id": 1}]', missing=100)
NO_JSON = Answer(200, b'[{"id": 1}')
DOWN = answer({"type": "error"}, 503)
YEAR_SECONDS = 31_536_000


def assert_backoff_grows(sleeps: list[float]) -> None:
    for attempt, seconds in enumerate(sleeps):
        ceiling = min(2.0**attempt, BACKOFF_SECONDS_MAX)
        assert ceiling / 2 <= seconds <= ceiling


@pytest.mark.parametrize("failure", [DOWN, answer({}, 500), answer({}, 429), RESET, TRUNCATED, NO_JSON])
def test_a_passing_failure_is_retried_with_growing_pauses(failure: Answer) -> None:
    with talking(failure, failure, failure, PAGE) as talk:
        assert talk.get() == [{"id": 1}]
        assert len(talk.server.sent("GET")) == 4
        assert talk.client.requests == 5
        assert len(talk.clock.sleeps) == 3
        assert_backoff_grows(talk.clock.sleeps)


@pytest.mark.parametrize("failure", [DOWN, RESET, TRUNCATED, NO_JSON])
def test_a_passing_failure_at_sign_in_is_retried(failure: Answer) -> None:
    with talking(PAGE, sign_in=(failure, failure, TOKEN)) as talk:
        assert talk.get() == [{"id": 1}]
        assert len(talk.server.sent("POST")) == 3


def test_a_retried_request_is_the_same_request() -> None:
    with talking(RESET, DOWN, PAGE) as talk:
        talk.get(page=2)
        assert [request.target for request in talk.server.sent("GET")] == ["/v1/responses?page=2"] * 3


def test_an_answer_that_is_never_json_is_given_up() -> None:
    with talking(NO_JSON) as talk:
        with pytest.raises(UnexpectedAnswer, match="/v1/responses with something that is not JSON"):
            talk.get()
        assert len(talk.server.sent("GET")) == BROKEN_ANSWERS_MAX


def test_the_last_allowed_repetition_of_a_broken_answer_counts() -> None:
    with talking(*[NO_JSON] * (BROKEN_ANSWERS_MAX - 1), PAGE) as talk:
        assert talk.get() == [{"id": 1}]


def wrong(elements: list[Any]) -> str:
    return "rows of declines" if elements == [{"id": 2}] else ""


OF_ANOTHER = answer([{"id": 2}])


def test_the_rows_of_another_list_are_asked_for_again() -> None:
    with talking(OF_ANOTHER, DOWN, OF_ANOTHER, PAGE) as talk:
        assert talk.client.get("/v1/responses", {}, wrong) == [{"id": 1}]
        assert_backoff_grows(talk.clock.sleeps)


def test_the_rows_of_another_list_are_given_up_in_the_end() -> None:
    with talking(OF_ANOTHER) as talk:
        with pytest.raises(UnexpectedAnswer, match=r"^Wootric answered /v1/responses with rows of declines\.$"):
            talk.client.get("/v1/responses", {}, wrong)
        assert len(talk.server.sent("GET")) == BROKEN_ANSWERS_MAX


def assert_asked_for_as_long_as_allowed(talk: Talk) -> None:
    assert talk.clock.elapsed == pytest.approx(RETRY_SECONDS_MAX)
    assert_backoff_grows(talk.clock.sleeps[:-1])
    assert RETRY_SECONDS_MAX / BACKOFF_SECONDS_MAX < len(talk.server.sent("GET")) < RETRY_SECONDS_MAX / 10


@pytest.mark.parametrize(
    ("failure", "last"),
    [(DOWN, "status 503"), (RESET, "the connection failed"), (TRUNCATED, "the answer broke off")],
)
def test_an_outage_ends_the_run_after_the_time_for_retries(failure: Answer, last: str) -> None:
    with talking(failure) as talk:
        with pytest.raises(
            ApiUnavailable, match=rf"no usable answer to /v1/responses for 900 seconds \(last: {last}\)"
        ):
            talk.get()
        assert_asked_for_as_long_as_allowed(talk)


def test_endless_429_answers_end_the_run_after_the_time_for_retries() -> None:
    with talking(answer({}, 429)) as talk:
        with pytest.raises(RateLimitExceeded, match="with 429, too many requests, for 900 seconds"):
            talk.get()
        assert_asked_for_as_long_as_allowed(talk)


@pytest.mark.parametrize("status", [402, 404, 405, 409, 410, 423])
def test_an_odd_error_of_a_list_that_was_answered_is_asked_for_again(status: int) -> None:
    odd = answer({"type": "error"}, status)
    with talking(PAGE, *[odd] * (BROKEN_ANSWERS_MAX - 1), PAGE) as talk:
        assert talk.get() == talk.get() == [{"id": 1}]
        assert_backoff_grows(talk.clock.sleeps)


def test_an_odd_error_that_stays_is_given_up_soon_with_its_sentence() -> None:
    with talking(PAGE, answer({"type": "error"}, 404)) as talk:
        talk.get()
        with pytest.raises(NotThere, match=r"^Wootric answered /v1/responses with status 404\.$"):
            talk.get()
        assert len(talk.server.sent("GET")) == 1 + BROKEN_ANSWERS_MAX
        assert talk.clock.elapsed < 16


@pytest.mark.parametrize(
    ("status", "error"), [(400, RequestRefused), (403, ListRefused), (422, RequestRefused), (404, NotThere)]
)
def test_a_refusal_that_has_a_meaning_is_not_repeated(status: int, error: type[WootricError]) -> None:
    with talking(PAGE, answer({"type": "error"}, status)) as talk:
        talk.get()
        with pytest.raises(error):
            # Of another list nothing was answered yet.
            talk.get("/v1/declines" if status == 404 else "/v1/responses")
        assert len(talk.server.sent("GET")) == 2


def test_an_answer_to_a_path_of_its_own_is_not_repeated() -> None:
    none = answer({"type": "error_list", "errors": [{"status": "record_not_found"}]}, 404)
    with talking(PAGE, PAGE, none, none) as talk:
        talk.get()
        talk.client.get_overview("/v1/segments", {})
        assert talk.client.get_one("/v1/end_users/1/responses/2") is None
        with pytest.raises(NotThere):
            talk.client.get_overview("/v1/segments", {})
        assert len(talk.server.sent("GET")) == 4


ELSEWHERE = answer({}, 302, location="https://maintenance.example.com")


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_behind_a_good_answer_is_a_passing_failure(status: int) -> None:
    redirect = answer({}, status, location="https://maintenance.example.com")
    with talking(PAGE, *[redirect] * (BROKEN_ANSWERS_MAX + 1), PAGE) as talk:
        assert talk.get() == talk.get() == [{"id": 1}]
        assert_backoff_grows(talk.clock.sleeps)


def test_a_redirect_behind_a_good_answer_is_given_up_as_an_outage() -> None:
    with talking(PAGE, ELSEWHERE) as talk:
        talk.get()
        with pytest.raises(
            ApiUnavailable, match=r"no usable answer to /v1/responses for 900 seconds \(last: status 302\)"
        ):
            talk.get()
        assert_asked_for_as_long_as_allowed(talk)
        with pytest.raises(ApiUnavailable, match="for 60 seconds"):
            talk.client.get_one("/v1/end_users/1")


def test_a_redirected_sign_in_behind_a_good_answer_is_a_passing_failure() -> None:
    with talking(PAGE, sign_in=(issued("short", expires_in=1), ELSEWHERE, TOKEN)) as talk:
        talk.get()
        talk.clock.elapsed += 60
        assert talk.get() == [{"id": 1}]
        assert len(talk.server.sent("POST")) == 3


@pytest.mark.parametrize("first", [answer({"type": "error"}, 404), answer({}, 403), answer([], 206)])
def test_a_redirect_behind_no_good_answer_means_a_wrong_address(first: Answer) -> None:
    with talking(first, ELSEWHERE) as talk:
        for error in (WootricError, ConfigurationError):
            with pytest.raises(error):
                talk.get()


def test_an_outage_at_sign_in_is_no_mistake_in_the_settings() -> None:
    with talking(PAGE, sign_in=(DOWN,)) as talk, pytest.raises(ApiUnavailable, match="/oauth/token"):
        talk.client.sign_in()


def test_a_host_that_only_resets_connections_counts_as_unreachable() -> None:
    with talking(PAGE, sign_in=(RESET,)) as talk, pytest.raises(HostUnreachable, match="cannot be reached"):
        talk.client.sign_in()


@pytest.mark.parametrize("outage_seconds", [600, 3_600])
def test_a_name_that_is_not_resolved_for_a_while_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, outage_seconds: int
) -> None:
    resolve = socket.getaddrinfo

    def resolved(*address: Any, **options: Any) -> Any:
        if 0 < talk.clock.elapsed < outage_seconds:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return resolve(*address, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolved)
    closing = answer([], connection="close")
    with talking(closing, PAGE) as talk:
        talk.get()
        talk.clock.elapsed = 1
        if outage_seconds < RETRY_SECONDS_MAX:
            assert talk.get() == [{"id": 1}]
        else:
            with pytest.raises(ApiUnavailable, match="its name cannot be resolved"):
                talk.get()
            assert talk.clock.elapsed == pytest.approx(RETRY_SECONDS_MAX + 1)


def spent(status: int, reset_seconds: int) -> Answer:
    return answer([], status, x_rate_limit_remaining="0", x_rate_limit_reset=str(NOON + reset_seconds))


def test_a_rate_limit_that_never_ends_is_waited_for_no_longer_than_an_outage() -> None:
    with talking(*[DOWN] * 5, spent(429, YEAR_SECONDS)) as talk:
        with pytest.raises(RateLimitExceeded, match="rate limit let no request through for too long"):
            talk.get()
        assert talk.clock.elapsed == RETRY_SECONDS_MAX


def test_each_answer_may_ask_for_some_minutes_only() -> None:
    with talking(spent(200, YEAR_SECONDS)) as talk:
        for _ in range(4):
            talk.get()
        assert talk.clock.elapsed == 3 * RATE_WAIT_SECONDS_MAX


def test_all_that_one_request_waits_for_is_bounded_in_all() -> None:
    with talking(spent(429, 200), RESET, *[DOWN] * 6, answer({}, 401), sign_in=(TOKEN, DOWN)) as talk:
        with pytest.raises(ApiUnavailable, match="/oauth/token"):
            talk.get()
        assert talk.clock.elapsed == pytest.approx(RETRY_SECONDS_MAX)
        assert [len(talk.server.sent("GET")), len(talk.server.sent("POST")) > 10] == [9, True]


class MeetingClock(FakeClock):
    """No time passes before two threads have asked for it."""

    def __init__(self) -> None:
        super().__init__()
        self._asked: set[int] = set()
        self._both = threading.Event()

    def monotonic(self) -> float:
        self._asked.add(threading.get_ident())
        if len(self._asked) == 2:
            self._both.set()
        return super().monotonic()

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        assert self._both.wait(5)
        super().wait(condition, seconds)


def test_threads_that_wait_for_the_same_token_give_up_together() -> None:
    clock = MeetingClock()
    with Scripted(PAGE, sign_in=(DOWN,)) as server, connected(server.url, clock) as client:

        def give_up() -> None:
            with suppress(ApiUnavailable):
                client.get("/v1/responses", {})

        threads = [threading.Thread(target=give_up) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert clock.elapsed == pytest.approx(RETRY_SECONDS_MAX)


def test_waiting_for_other_threads_uses_up_no_patience() -> None:
    with talking(DOWN, PAGE) as talk:
        talk.client.sign_in()
        turns = [talk.client._transport._turns] * talk.client.connections
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(talk.get()))
        with ExitStack() as others:
            for turn in turns:
                others.enter_context(turn)
            thread.start()
            while not talk.client._transport._turns._waiting:
                time.sleep(0.001)
            talk.clock.elapsed += RETRY_SECONDS_MAX
        thread.join()
        assert answers == [[{"id": 1}]]
