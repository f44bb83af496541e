"""What one answer may cost: seconds and bytes, whatever the server does.

The timeouts of requests and urllib3 are per read: a server that sends a byte now and then is never too slow for them.
"""

import io
import socket
import time
from functools import cache
from http.client import HTTPResponse
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.exceptions import ContentDecodingError

ANSWER_SECONDS_MAX = 120.0
"""From the end of the request to the last byte of the answer."""
ANSWER_BYTES_MAX = 100_000_000
"""As it is sent, and unpacked; 50 rows have a few hundred kilobytes."""
CHUNK_BYTES = 65_536
ENCODINGS = ("gzip", "deflate")
"""Those that are unpacked: of others, older versions of urllib3 unpack without limits."""


class AnswerTooLarge(Exception):
    """An answer has more than `ANSWER_BYTES_MAX` bytes; reading was stopped there."""


def body(response: Response) -> bytes:
    """The content of an answer that is streamed, unpacked.

    Raises:
        AnswerTooLarge: It is.
        requests.RequestException: It breaks off or takes too long; ContentDecodingError, if it cannot be unpacked.
    """
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in (*ENCODINGS, "identity", ""):
        raise ContentDecodingError("not an encoding that was asked for")
    content = bytearray()
    for chunk in response.iter_content(CHUNK_BYTES):
        content += chunk
        if len(content) > ANSWER_BYTES_MAX:
            raise AnswerTooLarge
    return bytes(content)


class BoundedAdapter(HTTPAdapter):
    """Connections to one host whose answers end in time, headers included: else TimeoutError, or AnswerTooLarge."""

    _pool: Any = None
    _origin = ""

    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        """The pool of connections to the host, which requests would look up for each request."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **options)
        return self._pool

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        """What is asked of the host; requests would take the address apart, and look for a proxy, for each request."""
        address = request.url or ""
        if self._origin and address.startswith(self._origin):
            return address.removeprefix(self._origin)
        asked = super().request_url(request, proxies)
        # A proxy may have to be told the whole address.
        self._origin = address.removesuffix(asked)
        return asked

    def close(self) -> None:
        """Closes the connections; a request after that opens others."""
        self._pool = None
        super().close()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Makes the pools of direct connections."""
        super().init_poolmanager(*args, **options)
        _bound(self.poolmanager)

    def proxy_manager_for(self, proxy: Any, **options: Any) -> Any:
        """The pools of connections through a proxy."""
        manager = super().proxy_manager_for(proxy, **options)
        _bound(manager)
        return manager


def _bound(manager: Any) -> None:
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _bounded(pool) for scheme, pool in pools.items()}


@cache
def _bounded(pool: Any) -> Any:
    """A class of pools as the given one, for there are several: for TLS, and for proxies of some kinds."""
    if issubclass(pool.ConnectionCls, _Bounded):
        return pool
    connection = type(pool.ConnectionCls.__name__, (_Bounded, pool.ConnectionCls), {})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})


class _BoundedResponse(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = io.BufferedReader(_BoundedReader(sock, self.fp.detach()), CHUNK_BYTES)

    def begin(self) -> None:
        """Reads the status and the headers."""
        super().begin()
        if self.status < 200:
            # What follows on the connection is no answer to the next request.
            self.will_close = True


class _Bounded:
    response_class = _BoundedResponse


class _BoundedReader(io.RawIOBase):
    """Reads one answer from a socket, and no longer or more than allowed."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self._sock, self._raw = sock, raw
        self._read_seconds_max = sock.gettimeout()
        # Not the client's clock: what ends a read is the socket's timeout, which is in real seconds.
        self._ends = time.monotonic() + ANSWER_SECONDS_MAX
        self._bytes_left = ANSWER_BYTES_MAX

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        """What arrives next.

        Raises:
            TimeoutError: Nothing does in time.
            AnswerTooLarge: Too much has.
        """
        seconds_left = self._ends - time.monotonic()
        if seconds_left <= 0:
            raise TimeoutError("the answer takes too long")
        if self._read_seconds_max is None or seconds_left < self._read_seconds_max:
            self._sock.settimeout(seconds_left)
        count: int | None = self._raw.readinto(buffer)
        self._bytes_left -= count or 0
        if self._bytes_left < 0:
            raise AnswerTooLarge
        return count

    def close(self) -> None:
        """Lets go of the socket."""
        self._raw.close()
        super().close()
