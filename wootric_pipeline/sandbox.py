"""A Wootric look-alike on loopback: the demo account, and what the tests and other people's clients talk to.

Run it with `python -m wootric_pipeline.sandbox`; sign in with client_id `sandbox` and client_secret `sandbox`, or with
username `sandbox@example.com` and password `sandbox`. It serves the documented API: OAuth, `/v1/end_users`,
`/v1/responses` and `/v1/declines` with their filters, orders, defaults and caps, and, on request, what is uncertain
about the real service and what goes wrong with any.
"""

import argparse
import json
import math
import random
import secrets
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from types import TracebackType
from typing import Any, NoReturn
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from .account import SECOND, Account, DemoAccount, Row
from .tables import TABLES

CLIENT_ID = CLIENT_SECRET = "sandbox"
USERNAME, PASSWORD = "sandbox@example.com", "sandbox"
PER_PAGE_DEFAULT, PER_PAGE_MAX, PAGE_MAX = 25, 50, 30
END_OF_TIME = 2**62

_PATHS = {table.path: table for table in TABLES.values()}


@dataclass
class Behaviour:
    """What is uncertain about the service, and what goes wrong with it.

    Attributes:
        ignores_updated: Tables on which the `updated` filter is silently ignored.
        ignores_sort_key: Tables on which `sort_key` is silently ignored.
        rate_limit: Requests allowed in a window; None is no limit.
        rate_window_seconds: Length of the window.
        token_seconds: How long a token lasts.
        latency_seconds: Added to every answer.
        error_rate: Share of list requests answered with 500.
        truncation_rate: Share of list answers that break off in the middle.
        reset_rate: Share of list requests whose connection is closed without an answer.
        clock_ahead_seconds: How far the server's clock is ahead of the machine's.
        before_answer: Called with each list request's table before it is answered: to change rows while they are read.
        seed: Of the faults.
    """

    ignores_updated: frozenset[str] = frozenset()
    ignores_sort_key: frozenset[str] = frozenset()
    rate_limit: int | None = None
    rate_window_seconds: float = 60.0
    token_seconds: int = 7200
    latency_seconds: float = 0.0
    error_rate: float = 0.0
    truncation_rate: float = 0.0
    reset_rate: float = 0.0
    clock_ahead_seconds: float = 0.0
    before_answer: Callable[[str], None] | None = None
    seed: int = 1


class Refused(Exception):
    """An answer other than 200; the body is a JSON object, as documented."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True)
class Request:
    """One request as it came in, for tests to look at."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]
    form: dict[str, str] = field(default_factory=dict)


class Sandbox:
    """A server for one account, on loopback.

    >>> with Sandbox(Account()) as sandbox:
    ...     wootric_source(base_url=sandbox.url, client_id="sandbox", client_secret="sandbox")

    Args:
        account: What it serves.
        behaviour: How it differs from an undisturbed service.
        port: 0 takes a free one.
    """

    def __init__(self, account: Account, behaviour: Behaviour | None = None, port: int = 0) -> None:
        self.account = account
        self.behaviour = behaviour or Behaviour()
        self.requests: list[Request] = []
        self.under_way_max = 0
        self._under_way = 0
        self._lock = threading.Lock()
        self._random = random.Random(self.behaviour.seed)
        self._tokens: dict[str, float] = {}
        self._window_ends = 0.0
        self._window_requests = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Sandbox":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve_forever(self) -> None:
        """Serves in this thread until interrupted."""
        try:
            self._server.serve_forever()
        finally:
            self._server.server_close()

    def now(self) -> float:
        """The server's clock, UNIX seconds."""
        return time.time() + self.behaviour.clock_ahead_seconds

    def revoke_tokens(self) -> None:
        """Makes every token issued so far invalid."""
        self._tokens.clear()

    def answer(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        """The status, the JSON content and the rate-limit headers for a request."""
        headers: dict[str, str] = {}
        with self._lock:
            self.requests.append(request)
            self._under_way += 1
            self.under_way_max = max(self.under_way_max, self._under_way)
        try:
            if self.behaviour.latency_seconds:
                time.sleep(self.behaviour.latency_seconds)
            if request.path == "/oauth/token":
                return 200, self._token(request), headers
            if request.path not in _PATHS:
                raise Refused(404, "not found")
            self._authorize(request)
            headers = self._count()
            return 200, self._list(request), headers
        except Refused as refused:
            return refused.status, {"type": "error", "message": refused.reason}, headers or self._limit_headers()
        finally:
            with self._lock:
                self._under_way -= 1

    def _token(self, request: Request) -> dict[str, Any]:
        form = request.form
        by_client = (form.get("grant_type"), form.get("client_id"), form.get("client_secret"))
        by_person = (form.get("grant_type"), form.get("username"), form.get("password"))
        person = by_person == ("password", USERNAME, PASSWORD)
        if not person and by_client != ("client_credentials", CLIENT_ID, CLIENT_SECRET):
            raise Refused(401, "invalid_client")
        token = secrets.token_hex(16)
        self._tokens[token] = time.monotonic() + self.behaviour.token_seconds
        content = {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": self.behaviour.token_seconds,
            "scope": "admin",
        }
        return {**content, "refresh_token": secrets.token_hex(16)} if person else content

    def _authorize(self, request: Request) -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or self._tokens.get(token, 0.0) <= time.monotonic():
            raise Refused(401, "unauthorized")

    def _count(self) -> dict[str, str]:
        if self.behaviour.rate_limit is None:
            return {}
        with self._lock:
            if self.now() >= self._window_ends:
                self._window_ends, self._window_requests = self.now() + self.behaviour.rate_window_seconds, 0
            self._window_requests += 1
            over = self._window_requests > self.behaviour.rate_limit
        if over:
            raise Refused(429, "too many requests")
        return self._limit_headers()

    def _limit_headers(self) -> dict[str, str]:
        limit = self.behaviour.rate_limit
        if limit is None:
            return {}
        return {
            "X-Rate-Limit-Limit": str(limit),
            "X-Rate-Limit-Remaining": str(max(limit - self._window_requests, 0)),
            "X-Rate-Limit-Reset": str(int(self._window_ends) + 1),
        }

    def _list(self, request: Request) -> list[Row]:
        table = _PATHS[request.path]
        if self._chance(self.behaviour.error_rate):
            raise Refused(500, "internal error")
        if self.behaviour.before_answer:
            self.behaviour.before_answer(table.name)
        query = Query(table.name, request.params, self.behaviour)
        with self.account.lock:
            return [self.account.shown(row) for row in query.page(self.account)]

    def breaks_off(self) -> bool:
        """Whether this list answer is to break off in the middle."""
        return self._chance(self.behaviour.truncation_rate)

    def resets(self) -> bool:
        """Whether this list request is to get no answer at all."""
        return self._chance(self.behaviour.reset_rate)

    def _chance(self, rate: float) -> bool:
        with self._lock:
            return rate > 0 and self._random.random() < rate


class Query:
    """The documented query of a list: filters, order, page.

    Raises:
        Refused: A value is no number, or the page is beyond the last that can be reached.
    """

    def __init__(self, table: str, params: dict[str, str], behaviour: Behaviour) -> None:
        self._table = table
        self._params = params
        self._per_page = min(max(self._number("per_page", PER_PAGE_DEFAULT), 1), PER_PAGE_MAX)
        self._page = max(self._number("page", 1), 1)
        if self._page > PAGE_MAX:
            raise Refused(400, f"page must be at most {PAGE_MAX}")
        axes = {"created"} if table in behaviour.ignores_updated else {"created", "updated"}
        self._ranges = {
            f"{axis}_at": self._range(axis) for axis in axes if any(f"{axis}[{how}]" in params for how in _BOUNDS)
        }
        sort_keys = ("email", "created_at", "updated_at") if table == "end_users" else ("created_at", "updated_at")
        default_key = TABLES[table].default_sort_key
        asked = default_key if table in behaviour.ignores_sort_key else params.get("sort_key", default_key)
        self._sort_key = asked if asked in sort_keys else default_key
        default_order = "asc" if table == "end_users" else "desc"
        self._descending = params.get("sort_order", default_order).lower() == "desc"

    def page(self, account: Account) -> list[Row]:
        """The rows asked for."""
        rows = account.query(self._table, self._ranges, self._sort_key, self._descending, self._matches)
        start = (self._page - 1) * self._per_page
        return list(islice(rows, start, start + self._per_page))

    def _number(self, name: str, default: int) -> int:
        try:
            return int(self._params.get(name, default))
        except ValueError:
            raise Refused(400, f"{name} must be a number") from None

    def _range(self, axis: str) -> tuple[int, int]:
        low, high = 0, END_OF_TIME
        for how, bounds in _BOUNDS.items():
            name = f"{axis}[{how}]"
            if name in self._params:
                least, limit = bounds(self._number(name, 0) * SECOND)
                low, high = max(low, least), min(high, limit)
        return low, high

    def _matches(self, row: Row) -> bool:
        if self._table == "end_users" and "email" in self._params:
            return bool(row.get("email") == self._params["email"])
        if self._table == "responses" and "excluded_from_calculations" in self._params:
            return str(row.get("excluded_from_calculations")).lower() == self._params["excluded_from_calculations"]
        return True


# Filters compare with the hidden fractions: `gt` a second may answer rows shown in it, `eq` may miss them.
_BOUNDS: dict[str, Callable[[int], tuple[int, int]]] = {
    "eq": lambda moment: (moment, moment + 1),
    "lt": lambda moment: (0, moment),
    "lte": lambda moment: (0, moment + 1),
    "gt": lambda moment: (moment + 1, END_OF_TIME),
    "gte": lambda moment: (moment, END_OF_TIME),
}


def _handler(sandbox: Sandbox) -> type[BaseHTTPRequestHandler]:
    return type("Handler", (_Handler,), {"sandbox": sandbox})


class _Handler(BaseHTTPRequestHandler):
    sandbox: Sandbox
    protocol_version = "HTTP/1.1"
    # Header and body in one packet: unbuffered, each answer would wait for a delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._respond({})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self._respond(_single(parse_qs(body)))

    def _respond(self, form: dict[str, str]) -> None:
        parts = urlsplit(self.path)
        is_list = parts.path in _PATHS
        if is_list and self.sandbox.resets():
            self.close_connection = True
            self.connection.close()
            return
        request = Request(parts.path, _single(parse_qs(parts.query)), dict(self.headers), form)
        status, content, headers = self.sandbox.answer(request)
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if is_list and self.sandbox.breaks_off():
            body, self.close_connection = body[: len(body) // 2], True
        self.wfile.write(body)
        self.wfile.flush()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(int(self.sandbox.now()) if timestamp is None else timestamp)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError):
            # The client went away, or was sent away.
            self.close_connection = True

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()


def _single(query: dict[str, list[str]]) -> dict[str, str]:
    return {name: values[-1] for name, values in query.items()}


class _Arguments(argparse.ArgumentParser):
    """Tells a mistake in one sentence, without the list of options."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message[:1].upper()}{message[1:]}; see --help.\n")


def _number(kind: Callable[[str], float], least: float, most: float = math.inf) -> Callable[[str], float]:
    def number(word: str) -> float:
        with suppress(ValueError):
            if least <= (value := kind(word)) <= most:
                return value
        raise argparse.ArgumentTypeError(
            f"must be a number from {least} to {most}" if most < math.inf else f"must be a number, {least} or more"
        )

    return number


def _time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise argparse.ArgumentTypeError(f"there is no time zone {name!r}") from None
    return name


def _tables(names: str) -> frozenset[str]:
    chosen = frozenset(name for name in names.split(",") if name)
    if unknown := chosen - set(TABLES):
        raise argparse.ArgumentTypeError(f"there is no table {min(unknown)!r}, only {', '.join(TABLES)}")
    return chosen


def _arguments() -> argparse.ArgumentParser:
    parser = _Arguments(prog="python -m wootric_pipeline.sandbox", description=main.__doc__)
    count = _number(int, 0)
    parser.add_argument("--port", type=_number(int, 0, 65_535), default=8025)
    for table, rows in (("end-users", 5_000), ("responses", 10_000), ("declines", 5_000)):
        parser.add_argument(f"--{table}", type=count, default=rows, metavar="N")
    parser.add_argument("--history-ends-at", type=count, default=int(time.time()), metavar="UNIX_SECONDS")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--time-zone", type=_time_zone, default="America/Los_Angeles")
    parser.add_argument(
        "--ignore-updated",
        type=_tables,
        default="",
        metavar="TABLES",
        help="tables on which the updated filter is ignored",
    )
    parser.add_argument(
        "--ignore-sort-key", type=_tables, default="", metavar="TABLES", help="tables on which sort_key is ignored"
    )
    parser.add_argument("--rate-limit", type=count, metavar="N", help="requests a minute")
    parser.add_argument("--token-seconds", type=count, default=7200)
    parser.add_argument("--latency-ms", type=_number(float, 0), default=0.0)
    for fault in ("error", "truncation", "reset"):
        parser.add_argument(f"--{fault}-rate", type=_number(float, 0, 1), default=0.0, metavar="SHARE")
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Serves a demo account until interrupted."""
    parser = _arguments()
    options = parser.parse_args(arguments)
    account = DemoAccount(
        options.history_ends_at, options.end_users, options.responses, options.declines, options.seed, options.time_zone
    )
    behaviour = Behaviour(
        ignores_updated=options.ignore_updated,
        ignores_sort_key=options.ignore_sort_key,
        rate_limit=options.rate_limit,
        token_seconds=options.token_seconds,
        latency_seconds=options.latency_ms / 1000,
        error_rate=options.error_rate,
        truncation_rate=options.truncation_rate,
        reset_rate=options.reset_rate,
        before_answer=lambda _table: account.advance(time.time()),
    )
    try:
        sandbox = Sandbox(account, behaviour, options.port)
    except OSError as error:
        parser.error(f"port {options.port} cannot be used: {error.strerror}")
    print(
        f"Serving the sandbox at {sandbox.url}; sign in with {CLIENT_ID} as client_id and as client_secret; "
        "stop it with Ctrl-C.",
        flush=True,
    )
    with suppress(KeyboardInterrupt):
        sandbox.serve_forever()


if __name__ == "__main__":
    main()
