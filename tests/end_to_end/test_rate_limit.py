"""The request budget is spent fully and never exceeded, by the server's clock."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any

import dlt
import pytest

from tests.conftest import NOON, Serve, first, row
from tests.end_to_end.test_source import assert_equal, extract
from tests.script import LOG_AT_ONCE, project_for
from tests.scripted import PAGE, Answer, FakeClock, SharedClock, answer, connected, talking
from wootric_pipeline.api.client import Client, Credentials
from wootric_pipeline.api.rate_limit import RATE_WAIT_SECONDS_MAX, RateLimit
from wootric_pipeline.api.transport import RETRY_SECONDS_MAX
from wootric_pipeline.api.turns import Turns
from wootric_pipeline.command.run import Run
from wootric_pipeline.errors import RateLimitExceeded
from wootric_pipeline.sandbox import (
    CLIENT_ID,
    CLIENT_SECRET,
    Account,
    Behaviour,
    DemoAccount,
    Refused,
    Request,
    Sandbox,
)

SANDBOX = Credentials(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)


class Counting(Sandbox):
    """Counts its list answers by status and by the window they belong to.

    Args:
        behaviour: See `Sandbox`.
        clock: Whose time it shows.
        account: What it serves.
        meanwhile: Done before each list request is counted, as by another client of the account.
    """

    def __init__(
        self,
        behaviour: Behaviour,
        clock: FakeClock | None = None,
        account: Account | None = None,
        meanwhile: "Callable[[Counting], None]" = lambda _sandbox: None,
    ) -> None:
        super().__init__(account or Account(), behaviour)
        self.statuses: Counter[int] = Counter()
        self.windows: Counter[str] = Counter()
        self._clock = clock
        self._meanwhile = meanwhile

    def __enter__(self) -> "Counting":
        super().__enter__()
        return self

    def spend(self, requests: int) -> None:
        """Takes requests from the budget, or what is left of it."""
        for _ in range(requests):
            with suppress(Refused):
                self._count()

    def now(self) -> float:
        return self._clock.now() + self.behaviour.clock_ahead_seconds if self._clock else super().now()

    def answer(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        if request.path != "/oauth/token":
            self._meanwhile(self)
        status, content, headers = super().answer(request)
        if request.path != "/oauth/token":
            self.statuses[status] += 1
            self.windows[headers["X-Rate-Limit-Reset"]] += 1
        return status, content, headers


def limited(left: int, resets_at: float, server_now: float, status: int = 200) -> Answer:
    return answer(
        [],
        status,
        date=formatdate(server_now, usegmt=True),
        x_rate_limit_limit="100",
        x_rate_limit_remaining=str(left),
        x_rate_limit_reset=str(int(resets_at)),
    )


def read(client: Client, times: int) -> None:
    for _ in range(times):
        client.get("/v1/responses", {})


def headers(left: int, resets_at: int = NOON + 60) -> dict[str, str]:
    return {"X-Rate-Limit-Remaining": str(left), "X-Rate-Limit-Reset": str(resets_at)}


def held_back(limit: RateLimit, clock: FakeClock) -> float:
    """How long the next request has to wait."""
    before = clock.elapsed
    with limit.slot():
        return clock.elapsed - before


@pytest.mark.parametrize("hours_ahead", [-9, 0, 9])
def test_each_window_is_spent_fully_and_none_exceeded(hours_ahead: int) -> None:
    clock = FakeClock()
    behaviour = Behaviour(rate_limit=10, clock_ahead_seconds=hours_ahead * 3600)
    sandbox = Counting(behaviour, clock)
    with sandbox, connected(sandbox.url, clock, SANDBOX) as client:
        read(client, 35)
    assert sandbox.statuses == {200: 35}
    assert list(sandbox.windows.values()) == [10, 10, 10, 5]
    assert 3 * 60 <= clock.elapsed <= 3 * 62
    assert client.rate_limit.waited_seconds == pytest.approx(clock.elapsed)


def test_threads_share_the_budget() -> None:
    behaviour = Behaviour(rate_limit=16, rate_window_seconds=2.0, latency_seconds=0.002, clock_ahead_seconds=-9 * 3600)
    sandbox = Counting(behaviour)
    with sandbox, connected(sandbox.url, credentials=SANDBOX) as client:
        threads = [threading.Thread(target=read, args=(client, 8)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sandbox.statuses == {200: 32}
    assert list(sandbox.windows.values()) == [16, 16]
    assert 1.0 < client.rate_limit.waited_seconds < 5.0


@pytest.mark.parametrize("hours_ahead", [-9, 0, 9])
def test_a_spent_budget_waits_for_the_reset_by_the_servers_clock(hours_ahead: int) -> None:
    there = NOON + hours_ahead * 3600
    with talking(limited(0, there + 40, there), PAGE) as talk:
        talk.get()
        assert talk.clock.elapsed == 0
        talk.get()
        assert talk.clock.elapsed == 40
        assert talk.client.rate_limit.waited_seconds == 40


def test_a_429_waits_for_the_reset() -> None:
    with talking(limited(0, NOON + 40, NOON, 429), PAGE) as talk:
        assert talk.get() == [{"id": 1}]
        assert talk.clock.elapsed == pytest.approx(40)
        assert 39 <= talk.client.rate_limit.waited_seconds < 40


def test_a_429_counts_more_than_what_it_says_is_left() -> None:
    with talking(limited(5, NOON + 40, NOON, 429), PAGE) as talk:
        talk.get()
        assert talk.clock.elapsed == pytest.approx(40)


def test_without_headers_nothing_waits() -> None:
    with talking(PAGE) as talk:
        read(talk.client, 50)
        assert talk.clock.sleeps == []
        assert talk.client.rate_limit.waited_seconds == 0


@pytest.mark.parametrize("resets_at", [0, NOON - 1, NOON])
def test_a_reset_in_the_past_is_not_hammered(resets_at: int) -> None:
    refused = limited(0, resets_at, NOON, 429)
    with talking(*[refused] * 6, PAGE) as talk:
        talk.get()
        assert all(pause >= 2**attempt / 2 for attempt, pause in enumerate(talk.clock.sleeps))
        assert len(talk.clock.sleeps) == 6


def test_a_spent_budget_whose_reset_is_past_waits_for_nothing() -> None:
    with talking(limited(0, NOON - 5, NOON)) as talk:
        read(talk.client, 3)
        assert talk.clock.elapsed == 0


def test_a_far_reset_is_believed_for_some_minutes_only() -> None:
    clock = FakeClock()
    limit = RateLimit(clock)
    with limit.slot():
        limit.learn(headers(0, NOON + 86_400), NOON, refused=False)
    assert held_back(limit, clock) == RATE_WAIT_SECONDS_MAX


@pytest.mark.parametrize(
    "broken",
    [
        {"X-Rate-Limit-Remaining": "0"},
        {"X-Rate-Limit-Reset": str(NOON + 60)},
        {"X-Rate-Limit-Remaining": "none", "X-Rate-Limit-Reset": str(NOON + 60)},
        {"X-Rate-Limit-Remaining": "0", "X-Rate-Limit-Reset": "soon"},
    ],
)
def test_headers_that_make_no_sense_are_no_limit(broken: dict[str, str]) -> None:
    clock = FakeClock()
    limit = RateLimit(clock)
    with limit.slot():
        limit.learn(broken, NOON, refused=False)
    assert held_back(limit, clock) == 0


def test_requests_under_way_are_counted_as_not_yet_known_to_the_server() -> None:
    clock = FakeClock()
    limit = RateLimit(clock)
    with limit.slot(), limit.slot():
        with limit.slot():
            limit.learn(headers(2), NOON, refused=False)
        assert held_back(limit, clock) == 60


def test_what_is_left_after_all_is_spent_when_requests_come_back() -> None:
    clock = FakeClock()
    limit = RateLimit(clock)
    with limit.slot():
        with limit.slot():
            limit.learn(headers(1), NOON, refused=False)
        limit.learn(headers(1), NOON, refused=False)
    assert held_back(limit, clock) == 0
    assert held_back(limit, clock) == 60


def test_an_older_answer_that_comes_later_gives_nothing_back() -> None:
    clock = FakeClock()
    limit = RateLimit(clock)
    with limit.slot():
        with limit.slot():
            limit.learn(headers(0), NOON, refused=False)
        limit.learn(headers(1), NOON, refused=False)
    assert held_back(limit, clock) == 60


def test_an_answer_of_the_window_before_does_not_end_the_new_one() -> None:
    clock = FakeClock()
    limit = RateLimit(clock)
    with limit.slot():
        with limit.slot():
            limit.learn(headers(0, NOON + 60), NOON, refused=False)
        limit.learn(headers(7, NOON), NOON, refused=False)
    assert held_back(limit, clock) == 60


def test_a_new_window_begins_with_its_own_budget() -> None:
    clock = FakeClock()
    limit = RateLimit(clock)
    with limit.slot():
        limit.learn(headers(0, NOON + 60), NOON, refused=False)
    assert held_back(limit, clock) == 60
    with limit.slot():
        limit.learn(headers(2, NOON + 120), NOON + 60, refused=False)
    assert [held_back(limit, clock) for _ in range(3)] == [0, 0, 60]


def test_waiting_threads_are_counted_once() -> None:
    clock = FakeClock()
    limit = RateLimit(clock)
    with limit.slot():
        limit.learn(headers(0), NOON, refused=False)
    for _ in range(3):
        held_back(limit, clock)
    assert limit.waited_seconds == 60


def test_a_request_is_held_back_no_longer_than_allowed() -> None:
    clock = FakeClock()
    limit = RateLimit(clock)
    with limit.slot():
        limit.learn(headers(0), NOON, refused=False)
    with pytest.raises(RateLimitExceeded, match="let no request through for too long"), limit.slot(until=40):
        pass
    assert (clock.elapsed, limit.waited_seconds) == (40, 40)
    assert held_back(limit, clock) == 20


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SharedClock:
    """The clock of a source's client; waiting takes no time."""
    clock = SharedClock()
    monkeypatch.setattr("wootric_pipeline.api.transport.Clock", lambda: clock)
    return clock


def load(sandbox: Sandbox) -> Run:
    """Loads all tables, which are read at the same time, and compares them with the account."""
    pipeline = dlt.pipeline("wootric_pipeline", destination="duckdb", dataset_name="wootric")
    run = extract(pipeline, sandbox)
    assert_equal(pipeline, sandbox.account)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("hours_ahead", [-3, 3])
def test_a_load_alone_spends_each_window_and_is_never_refused(clock: SharedClock, hours_ahead: int) -> None:
    ahead_seconds = hours_ahead * 3600
    account = DemoAccount(NOON + ahead_seconds, end_users=3_000, responses=6_000, declines=3_000)
    behaviour = Behaviour(rate_limit=100, latency_seconds=0.002, clock_ahead_seconds=ahead_seconds)
    with Counting(behaviour, clock, account) as sandbox:
        run = load(sandbox)
    assert list(sandbox.statuses) == [200]
    *full, _last = sandbox.windows.values()
    assert len(full) == 2
    assert min(full) >= 95
    assert clock.elapsed <= len(full) * 62
    assert run.client
    assert run.client.rate_limit.waited_seconds == pytest.approx(clock.elapsed)


def two_thirds(sandbox: Counting) -> None:
    sandbox.spend(2)


def by_turns(sandbox: Counting) -> None:
    """Leaves nothing of every other minute."""
    if int(sandbox.now() - NOON) // 60 % 2:
        sandbox.spend(20)


def shrinking(sandbox: Counting) -> None:
    if sandbox.statuses[200] > 10:
        sandbox.behaviour.rate_limit = 5


def stormy(sandbox: Counting) -> None:
    """Nothing is let through for more than two windows."""
    sandbox.behaviour.rate_limit = 0 if 30 < sandbox.now() - NOON < 180 else 20


@pytest.mark.parametrize("meanwhile", first(stormy, by_turns, shrinking, two_thirds))
def test_a_load_completes_with_what_others_leave_of_the_budget(
    clock: SharedClock, meanwhile: Callable[[Counting], None]
) -> None:
    account = DemoAccount(NOON, end_users=500, responses=1_500, declines=500)
    with Counting(Behaviour(rate_limit=20), clock, account, meanwhile) as sandbox:
        load(sandbox)
    assert sandbox.statuses[429] > 0 or meanwhile is shrinking
    # No more in vain than were under way when the budget was spent.
    assert sandbox.statuses[429] <= 4 * len(sandbox.windows)


def test_a_budget_that_others_use_up_for_hours_ends_the_reading(clock: SharedClock) -> None:
    behaviour = Behaviour(rate_limit=20, rate_window_seconds=70)
    with (
        Counting(behaviour, clock, meanwhile=lambda sandbox: sandbox.spend(20)) as sandbox,
        connected(sandbox.url, clock, SANDBOX) as client,
        pytest.raises(RateLimitExceeded),
    ):
        client.get("/v1/responses", {})
    assert clock.elapsed <= RETRY_SECONDS_MAX
    assert sandbox.statuses[429] == len(sandbox.windows) > 10


@pytest.mark.slow
@pytest.mark.parametrize(("progress", "shown"), [("log", True), ("none", False)])
def test_waiting_is_shown_with_the_progress(serve: Serve, tmp_path: Path, progress: str, shown: bool) -> None:
    account = Account()
    account.fill("responses", [row(index, NOON + index) for index in range(120)])
    sandbox = serve(account, rate_limit=2, rate_window_seconds=1.5)
    outcome = project_for(sandbox, tmp_path).run(
        "--json", "--tables", "responses", "--progress", progress, prelude=LOG_AT_ONCE
    )
    assert (outcome.code, outcome.report["rate_limit_wait_seconds"] > 1) == (0, True)
    assert bool(re.search(r"^Seconds waited for Wootric's rate limit: [1-9]", outcome.stderr, re.MULTILINE)) == shown
    assert shown or outcome.stderr == ""


def test_of_threads_that_wait_the_one_that_asked_first_of_all_is_next() -> None:
    turns, taken = Turns(1), list[int]()
    goes_on = [threading.Event() for _ in range(4)]

    def take(number: int) -> None:
        with turns:
            taken.append(number)
        goes_on[number].wait()
        with turns:
            taken.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
    for number, thread in enumerate(threads):
        thread.start()
        while len(taken) <= number:
            time.sleep(0.001)
    with turns:
        for waiting, event in enumerate(reversed(goes_on), 1):
            event.set()
            while len(turns._waiting) < waiting:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert taken == [0, 1, 2, 3, 0, 1, 2, 3]
