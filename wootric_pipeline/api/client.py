"""One authorised GET; how it is sent is in `transport`, what an answer means in `answers`."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from ..errors import AuthenticationFailed
from .answers import Answer, content_of, list_of, no_list, object_of, what
from .clock import Clock
from .rate_limit import RateLimit
from .token import Credentials, Tokens
from .transport import Params, Transport

__all__ = ["Client", "Credentials", "Params"]

ONE_RETRY_SECONDS_MAX = 60.0
"""What is asked for by its id comes with a list as well, so it is not waited for through an outage; nor are overviews,
which each run reads again, and behind which the lists would wait.
"""

Foreign = Callable[[list[Any]], str]
"""What is wrong with the elements of a list, in words; empty if nothing is."""

log = logging.getLogger("wootric_pipeline.api")


class Client:
    """Reads lists of one account.

    >>> client = Client("https://api.wootric.com", Credentials(client_id="...", client_secret="..."))
    >>> client.get("/v1/responses", {"per_page": 1})
    [{'id': 654, 'score': 9, 'updated_at': '2018-01-02 23:03:41 -0800', ...}]

    Args:
        base_url: Where the API is: https, or http for loopback only.
        credentials: See `Credentials`.
        setting: Which one the address comes from; None where none says anything.
        connections: How many requests may be under way at once.
        clock: Time; only tests pass one.

    Attributes:
        connections: As given.
        accounts: What tells the account from others, and what told it in former versions.

    Raises:
        ConfigurationError: The address is none, or the credentials are incomplete.
    """

    def __init__(
        self,
        base_url: str,
        credentials: Credentials,
        *,
        setting: str | None = "base_url",
        connections: int = 4,
        clock: Clock | None = None,
    ) -> None:
        self._transport = Transport(base_url, connections, clock, setting=setting)
        self._tokens = Tokens(credentials, self._transport)
        self._listed: set[str] = set()
        self.connections = connections
        self.accounts: tuple[str, ...] = credentials.account(base_url), credentials.former_account(base_url)

    def get(self, path: str, params: Params, foreign: Foreign = lambda _elements: "") -> list[Any]:
        """One page of a list.

        Args:
            path: Below the base URL, for example `/v1/responses`.
            params: The query.
            foreign: Tells an answer that is none of this list; it is asked for again, as one that is no JSON or no
                list, and as an odd error of a list that was answered before.

        Returns:
            The elements of the JSON list, as they came.

        Raises:
            AuthenticationFailed: A fresh token is refused, too.
            ApiUnavailable: No usable answer in the time that retries may take; `RateLimitExceeded`, where a limit is
                why.
            UnexpectedAnswer: Anything but a JSON list, or one of another list.
        """
        oddity = partial(self._oddity, path, foreign)
        elements = list_of(self._answer(path, params, oddity=oddity), path, self._transport.host)
        self._listed.add(path)
        return elements

    def _oddity(self, path: str, foreign: Foreign, answer: Answer) -> str:
        """What of an answer to a list is to be asked for again, in words."""
        if answer.is_good:
            return no_list(answer.content) or foreign(answer.content)
        # A list that was there a moment ago is not gone; one that never was need not be waited for.
        return what(answer) if answer.is_odd_error and path in self._listed else ""

    def get_one(self, path: str) -> dict[str, Any] | None:
        """What is at a path of its own, such as `/v1/end_users/1/responses/2`; None if there is nothing.

        See `get` for what it raises.
        """
        answer = self._answer(path, {}, retry_seconds_max=ONE_RETRY_SECONDS_MAX)
        return object_of(answer, path, self._transport.host)

    def get_overview(self, path: str, params: Params) -> Any:
        """What an overview such as `/v1/nps_summary` says, an object or a list.

        See `get` for what it raises; `NotThere` where there is no such overview.
        """
        answer = self._answer(path, params, retry_seconds_max=ONE_RETRY_SECONDS_MAX)
        return content_of(answer, path, self._transport.host)

    def _answer(self, path: str, params: Params, **how: Any) -> Answer:
        started = self._transport.clock.monotonic()
        token = self._tokens.current(started)
        send = partial(self._transport.send, "GET", path, params, started, **how)
        answer = send(token=token)
        if answer.status == 401 and not answer.is_by_another:
            log.info("%s: the token is refused before its end; asks for another.", path)
            fresh = self._tokens.current(started, refused=token)
            answer = send(token=fresh)
        if answer.status == 401 and not answer.is_by_another:
            raise AuthenticationFailed("Wootric refuses a token it has just issued; check the account's API access.")
        return answer

    def sign_in(self) -> None:
        """Asks for a token, unless there is a valid one; see `get` for what it raises."""
        self._tokens.current(self._transport.clock.monotonic())

    def now(self) -> float:
        """The local clock, UNIX seconds."""
        return self._transport.clock.now()

    @property
    def server_ahead_seconds(self) -> float:
        """How far the server's clock is ahead, by the `Date` header of its answers; 0 until there is one."""
        return self._transport.server_ahead_seconds

    @property
    def requests(self) -> int:
        """How many requests were sent, repeated ones and sign-ins included."""
        return self._transport.requests

    @property
    def rate_limit(self) -> RateLimit:
        """What the server said of the account's budget."""
        return self._transport.rate_limit

    @property
    def waited_seconds(self) -> float:
        """How long, in all, requests were or are being held back: for the rate limit, or before they are retried."""
        return self._transport.waited_seconds

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()
