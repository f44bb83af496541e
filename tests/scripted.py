"""A server that gives the answers a test wrote down, a clock that never sleeps, and a client that uses both."""

import json
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.conftest import NOON
from wootric_pipeline.api.client import Client, Credentials
from wootric_pipeline.api.clock import Clock

APPLICATION = Credentials(client_id="the-id", client_secret="the-secret")


class FakeClock(Clock):
    """Time that passes only while something waits."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return self.elapsed

    def now(self) -> float:
        return NOON + self.elapsed

    def wait(self, condition: threading.Condition, seconds: float) -> None:  # noqa: ARG002
        self.sleeps.append(seconds)
        self.elapsed += seconds


class SharedClock(FakeClock):
    """Time that passes for all threads at once, when those that wait have nothing else to wait for."""

    def wait(self, condition: threading.Condition, seconds: float) -> None:
        until = self.elapsed + seconds
        if not condition.wait(0.02):
            self.sleeps.append(seconds)
            self.elapsed = max(self.elapsed, until)


@dataclass(frozen=True)
class Answer:
    """One answer; `missing` bytes are promised by its Content-Length and never sent, status 0 is a reset.

    `pieces`, which may never end, are sent as they are in place of all of it, each after a pause.
    """

    status: int = 200
    body: bytes = b"[]"
    headers: dict[str, str] = field(default_factory=dict)
    missing: int = 0
    pieces: Iterable[bytes] = ()
    pause_seconds: float = 0.0


def answer(content: Any, status: int = 200, **headers: str) -> Answer:
    """An answer in JSON; `x_rate_limit_reset="5"` is a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(content).encode(), named)


def issued(token: str, **fields: Any) -> Answer:
    """The answer to a sign-in."""
    return answer({"access_token": token, "token_type": "bearer", "expires_in": 7200, **fields})


RESET = Answer(0)
PAGE = answer([{"id": 1}])
TOKEN = issued("token-1")


@dataclass(frozen=True)
class Received:
    """One request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: str

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body))

    @property
    def params(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))


class Scripted:
    """A server with two scripts, one for sign-ins and one for everything else; the last answer of each is repeated."""

    def __init__(self, *answers: Answer, sign_in: tuple[Answer, ...] = (TOKEN,)) -> None:
        self.received: list[Received] = []
        self.connections = 0
        self._scripts = {"POST": list(sign_in), "GET": list(answers), "CONNECT": list(answers)}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"script": self}))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> "Scripted":
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def next_answer(self, received: Received) -> Answer:
        self.received.append(received)
        script = self._scripts[received.method]
        return script.pop(0) if len(script) > 1 else script[0]

    def sent(self, method: str) -> list[Received]:
        return [received for received in self.received if received.method == method]


class _Handler(BaseHTTPRequestHandler):
    script: Scripted
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        reply = self.script.next_answer(Received(self.command, self.path, dict(self.headers), body))
        for piece in reply.pieces:
            self.close_connection = True
            self.wfile.write(piece)
            self.wfile.flush()
            time.sleep(reply.pause_seconds)
        if not reply.status:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        if reply.pieces:
            return
        # No Date of the machine's: tests say what the server's clock shows.
        self.send_response_only(reply.status)
        for name, value in {"Content-Length": str(len(reply.body) + reply.missing), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)
        self.wfile.flush()
        self.close_connection = bool(reply.missing)

    do_GET = do_POST = do_CONNECT = _respond  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def handle(self) -> None:
        self.script.connections += 1
        with suppress(OSError):
            super().handle()

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()


@dataclass(frozen=True)
class Talk:
    """A client, the server it talks to and the time that passes meanwhile."""

    client: Client
    server: Scripted
    clock: FakeClock

    def get(self, path: str = "/v1/responses", /, **params: Any) -> list[Any]:
        return self.client.get(path, params)


@contextmanager
def connected(
    url: str, clock: Clock | None = None, credentials: Credentials = APPLICATION, connections: int = 4
) -> Iterator[Client]:
    """A client that is closed in the end."""
    client = Client(url, credentials, connections=connections, clock=clock)
    try:
        yield client
    finally:
        client.close()


@contextmanager
def talking(
    *answers: Answer, sign_in: tuple[Answer, ...] = (TOKEN,), credentials: Credentials = APPLICATION
) -> Iterator[Talk]:
    """A client and a server with a script."""
    clock = FakeClock()
    with Scripted(*answers, sign_in=sign_in) as server, connected(server.url, clock, credentials) as client:
        yield Talk(client, server, clock)
