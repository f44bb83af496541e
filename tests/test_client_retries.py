"""How often the client asks again, how long it sleeps meanwhile, and when it gives up."""

import pytest

from tests.scripted import PAGE, RESET, TOKEN, Answer, Talk, answer, talking
from wootric_pipeline.client import BACKOFF_SECONDS_MAX, BROKEN_ANSWERS_MAX, RETRY_SECONDS_MAX
from wootric_pipeline.errors import ApiUnavailable, ConfigurationError, RateLimitExceeded, UnexpectedAnswer

TRUNCATED = Answer(200, b'[{"id": 1}]', missing=100)
NO_JSON = Answer(200, b'[{"id": 1}')
DOWN = answer({"type": "error"}, 503)


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


def test_an_outage_at_sign_in_is_no_mistake_in_the_settings() -> None:
    with talking(PAGE, sign_in=(DOWN,)) as talk, pytest.raises(ApiUnavailable, match="/oauth/token"):
        talk.client.sign_in()


def test_a_host_that_only_resets_connections_counts_as_unreachable() -> None:
    with talking(PAGE, sign_in=(RESET,)) as talk, pytest.raises(ConfigurationError, match="cannot be reached"):
        talk.client.sign_in()
