"""A server for one account, on loopback: OAuth, the three lists and the overviews, with faults on request."""

import json
import random
import re
import secrets
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ..tables import TABLES
from .account import Account, Row
from .overviews import PATHS as OVERVIEW_PATHS
from .overviews import Overviews
from .query import Behaviour, NoRecord, Query, Refused

CLIENT_ID = CLIENT_SECRET = "sandbox"
USERNAME, PASSWORD = "sandbox@example.com", "sandbox"

_PATHS = {table.path: name for name, table in TABLES.items()}
_ONE = re.compile(r"/v1/end_users/(\d+)(?:/(responses|declines)/(\d+))?")


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
            if request.path not in {*_PATHS, *OVERVIEW_PATHS} and not _ONE.fullmatch(request.path):
                raise Refused(404, "not found")
            self._authorize(request)
            headers = self._count()
            return 200, self._content(request), headers
        except Refused as refused:
            return refused.status, refused.content, headers or self._limit_headers()
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

    def _content(self, request: Request) -> Any:
        if request.path in _PATHS:
            return self._list(request)
        if request.path not in OVERVIEW_PATHS:
            return self._one(request.path)
        overviews = Overviews(self.account, self.behaviour)
        with self.account.lock:
            return overviews.answer(OVERVIEW_PATHS[request.path], request.params, self.now())

    def _list(self, request: Request) -> list[Row]:
        table = _PATHS[request.path]
        if self._chance(self.behaviour.error_rate):
            raise Refused(500, "internal error")
        if self.behaviour.before_answer:
            self.behaviour.before_answer(table)
        query = Query(table, request.params, self.behaviour)
        with self.account.lock:
            return [self.account.shown(row) for row in query.page(self.account)]

    def _one(self, path: str) -> Row:
        """A person, or a response or a decline of one, by its id."""
        person, table, row_id = _ONE.fullmatch(path).groups()  # type: ignore[union-attr]
        with self.account.lock:
            row = self.account.rows[table or "end_users"].get(int(row_id or person))
            if row is None or (table and row.get("end_user_id") != int(person)):
                raise NoRecord
            return self.account.shown(row)

    def breaks_off(self) -> bool:
        """Whether this list answer is to break off in the middle."""
        return self._chance(self.behaviour.truncation_rate)

    def resets(self) -> bool:
        """Whether this list request is to get no answer at all."""
        return self._chance(self.behaviour.reset_rate)

    def _chance(self, rate: float) -> bool:
        with self._lock:
            return rate > 0 and self._random.random() < rate


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
