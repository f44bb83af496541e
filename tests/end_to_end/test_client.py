"""What the client sends: signing in, tokens, addresses, and what it makes of each final answer."""

import socket
import threading
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NOON, Serve
from tests.scripted import APPLICATION, PAGE, TOKEN, Answer, FakeClock, Scripted, answer, connected, issued, talking
from wootric_pipeline.api.client import Client, Credentials
from wootric_pipeline.api.transport import BROKEN_ANSWERS_MAX, SIGN_IN_RETRY_SECONDS_MAX
from wootric_pipeline.errors import (
    AuthenticationFailed,
    ConfigurationError,
    HostUnreachable,
    UnexpectedAnswer,
    WootricError,
)
from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET, Account
from wootric_pipeline.version import VERSION

PERSON = Credentials(username="ada@example.com", password="the-password")
HTML = Answer(200, b"<html>Welcome</html>", {"Content-Type": "text/html"})
SANDBOX = Credentials(client_id=CLIENT_ID, client_secret=CLIENT_SECRET)


def bearer_tokens(server: Scripted) -> list[str]:
    return [request.headers["Authorization"] for request in server.sent("GET")]


def test_an_application_signs_in_with_its_credentials_in_the_form_only() -> None:
    with talking(PAGE) as talk:
        talk.client.sign_in()
        (request,) = talk.server.received
    assert (request.method, request.target) == ("POST", "/oauth/token")
    assert request.form == {"grant_type": "client_credentials", "client_id": "the-id", "client_secret": "the-secret"}
    assert "Authorization" not in request.headers
    assert "the-" not in str(request.headers)


def test_a_person_signs_in_with_the_account_token_in_the_address() -> None:
    person = Credentials(username="ada@example.com", password="the-password", account_token="NPS-1")
    with talking(PAGE, credentials=person) as talk:
        talk.client.sign_in()
        (request,) = talk.server.received
    assert request.target == "/oauth/token?account_token=NPS-1"
    assert request.form == {"grant_type": "password", "username": "ada@example.com", "password": "the-password"}


def test_a_person_without_account_token_signs_in_without_a_query() -> None:
    with talking(PAGE, credentials=PERSON) as talk:
        talk.client.sign_in()
        assert talk.server.received[0].target == "/oauth/token"


@pytest.mark.parametrize(
    "incomplete",
    [Credentials(), Credentials(client_id="the-id"), Credentials(username="ada@example.com", client_secret="s")],
)
def test_incomplete_credentials_are_told_before_the_first_request(incomplete: Credentials) -> None:
    with pytest.raises(ConfigurationError, match="Set client_id and client_secret, or username and password"):
        Client("https://api.wootric.com", incomplete)


def test_the_sandbox_accepts_both_grants(serve: Serve) -> None:
    url = serve(Account()).url
    for credentials in (SANDBOX, Credentials(username="sandbox@example.com", password="sandbox")):
        with connected(url, credentials=credentials) as client:
            assert client.get("/v1/declines", {}) == []


def test_a_list_is_asked_for_with_its_query_and_the_token() -> None:
    with talking(PAGE) as talk:
        assert talk.get("/v1/declines", **{"created[gte]": NOON, "sort_order": "asc"}) == [{"id": 1}]
        _, request = talk.server.received
    assert request.target.startswith("/v1/declines?")
    assert request.params == {"created[gte]": str(NOON), "sort_order": "asc"}
    assert request.headers["Authorization"] == "Bearer token-1"
    assert "token-1" not in request.target


def test_a_character_that_databases_refuse_is_replaced() -> None:
    body = rb'[{"id": 1, "text": "a\u0000b", "path": "C:\\u0000"}, {"id": 2, "text": "\\\u0000"}]'
    with talking(Answer(200, body)) as talk:
        rows = talk.get("/v1/responses")
    assert rows == [{"id": 1, "text": "a\ufffdb", "path": "C:\\u0000"}, {"id": 2, "text": "\\\ufffd"}]


def test_every_request_names_the_version_and_counts() -> None:
    with talking(PAGE) as talk:
        talk.get()
        talk.get()
        agents = [request.headers["User-Agent"] for request in talk.server.received]
        assert talk.client.requests == len(agents) == 3
    assert all(agent.startswith(f"wootric-pipeline/{VERSION} ") for agent in agents)


def test_a_netrc_entry_takes_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with talking(PAGE) as talk:
        talk.get()
        sign_in, request = talk.server.received
    assert "Authorization" not in sign_in.headers
    assert request.headers["Authorization"] == "Bearer token-1"


def test_one_token_serves_many_requests() -> None:
    with talking(PAGE) as talk:
        talk.get()
        talk.get()
        assert len(talk.server.sent("POST")) == 1


def test_a_refused_token_is_replaced_once() -> None:
    with talking(answer({}, 401), PAGE, sign_in=(TOKEN, issued("token-2"))) as talk:
        assert talk.get() == [{"id": 1}]
        assert bearer_tokens(talk.server) == ["Bearer token-1", "Bearer token-2"]
        assert talk.clock.sleeps == []


def test_a_refused_fresh_token_is_final() -> None:
    with talking(answer({}, 401)) as talk:
        with pytest.raises(AuthenticationFailed, match="refuses a token it has just issued"):
            talk.get()
        assert [request.method for request in talk.server.received] == ["POST", "GET", "POST", "GET"]


def test_threads_share_one_fresh_token(serve: Serve) -> None:
    sandbox = serve(Account(), latency_seconds=0.02)
    with connected(sandbox.url, credentials=SANDBOX) as client:
        client.sign_in()
        sandbox.revoke_tokens()
        threads = [threading.Thread(target=client.get, args=("/v1/responses", {})) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [request.path for request in sandbox.requests].count("/oauth/token") == 2
    # A thread that begins late gets the fresh one at once.
    assert client.requests == len(sandbox.requests) > 2 + 4


@pytest.mark.parametrize(
    ("lifetime", "renewed_after"), [({"expires_in": 7200}, 7140), ({"expires_in": 10}, 5), ({"expires_in": None}, 7140)]
)
def test_a_token_is_renewed_before_it_ends(lifetime: dict[str, Any], renewed_after: int) -> None:
    with talking(PAGE, sign_in=(issued("token-1", **lifetime), issued("token-2"))) as talk:
        for talk.clock.elapsed in (0, renewed_after - 1, renewed_after):
            talk.get()
        assert bearer_tokens(talk.server) == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


@pytest.mark.parametrize("content", [{}, {"access_token": None}, {"access_token": ""}, {"access_token": 5}, [], "t"])
def test_a_sign_in_without_a_token_fails(content: Any) -> None:
    with talking(PAGE, sign_in=(answer(content),)) as talk:
        with pytest.raises(AuthenticationFailed, match="without an access_token"):
            talk.get()
        assert talk.server.sent("GET") == []


@pytest.mark.parametrize("status", [400, 401, 403])
def test_refused_credentials_are_told_at_once(status: int) -> None:
    with talking(PAGE, sign_in=(answer({"error": "invalid_client"}, status),)) as talk:
        for _ in range(2):
            with pytest.raises(AuthenticationFailed, match="refuses the credentials"):
                talk.client.sign_in()
        assert len(talk.server.received) == 1


def test_a_web_page_at_sign_in_means_a_wrong_address() -> None:
    with talking(PAGE, sign_in=(HTML,)) as talk:
        with pytest.raises(ConfigurationError, match="does not answer as the Wootric API does; check base_url"):
            talk.client.sign_in()
        assert len(talk.server.received) == BROKEN_ANSWERS_MAX


def test_no_sign_in_there_means_a_wrong_address() -> None:
    with (
        talking(PAGE, sign_in=(answer({}, 404),)) as talk,
        pytest.raises(ConfigurationError, match="check base_url"),
    ):
        talk.client.sign_in()


def test_an_account_token_that_finds_no_account_is_told() -> None:
    person = Credentials(username="ada@example.com", password="the-password", account_token="NPS-1")
    with talking(credentials=person, sign_in=(answer({"error": "Not found", "status": 404}, 404),)) as talk:
        with pytest.raises(AuthenticationFailed) as raised:
            talk.client.sign_in()
        assert len(talk.server.received) == 1
    assert str(raised.value) == (
        "Wootric finds no account for the account_token; check account_token, and region or base_url, under "
        "[sources.wootric]."
    )


def test_an_unreachable_host_is_told_within_seconds() -> None:
    clock = FakeClock()
    with Scripted(PAGE) as stopped:
        pass
    with connected(stopped.url, clock) as client:
        with pytest.raises(HostUnreachable, match=r"cannot be reached \(the connection failed\); check base_url"):
            client.sign_in()
        assert client.requests > 2
    assert clock.elapsed <= SIGN_IN_RETRY_SECONDS_MAX


def test_an_unknown_host_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def unresolved(*_address: object, **_options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unresolved)
    with (
        connected("https://nowhere.invalid", FakeClock()) as client,
        pytest.raises(ConfigurationError, match=r"nowhere\.invalid cannot be reached \(its name cannot be resolved\)"),
    ):
        client.sign_in()


def test_a_silent_host_is_told_as_such(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wootric_pipeline.api.transport.READ_TIMEOUT_SECONDS", 0.02)
    with (
        connected(serve(Account(), latency_seconds=0.1).url, FakeClock()) as client,
        pytest.raises(HostUnreachable, match="no answer in time"),
    ):
        client.sign_in()


def test_the_proxy_of_the_environment_is_used_and_sees_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with Scripted(answer({}, 502)) as proxy, connected("https://api.wootric.example", FakeClock()) as client:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(HostUnreachable, match="the proxy does not answer"):
            client.sign_in()
        request = proxy.received[0]
    assert (request.method, request.target) == ("CONNECT", "api.wootric.example:443")
    assert "the-secret" not in str(proxy.received)


def test_a_proxy_of_plain_connections_is_told_the_whole_address_of_each_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Scripted(PAGE) as proxy, connected("http://127.0.0.1:1", FakeClock()) as client:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("http_proxy", proxy.url)
        for number in (1, 2, 3):
            client.get("/v1/responses", {"page": number, "created[gte]": 5})
        targets = [request.target for request in proxy.sent("GET")]
    assert targets == [f"http://127.0.0.1:1/v1/responses?page={number}&created%5Bgte%5D=5" for number in (1, 2, 3)]


def test_a_client_that_was_closed_opens_connections_anew() -> None:
    with talking(PAGE, PAGE) as talk:
        first = talk.get()
        talk.client.close()
        assert talk.get() == first


@pytest.mark.parametrize("sign_in_redirects", [True, False])
def test_a_redirect_is_not_followed(sign_in_redirects: bool) -> None:
    with Scripted(PAGE) as elsewhere:
        redirect = answer({}, 307, location=f"{elsewhere.url}/v1/responses")
        with (
            talking(redirect, sign_in=(redirect if sign_in_redirects else TOKEN,)) as talk,
            pytest.raises(ConfigurationError, match="redirects elsewhere, which is not followed"),
        ):
            talk.get()
        assert elsewhere.received == []


@pytest.mark.parametrize(
    ("base_url", "sentence"),
    [
        ("http://api.wootric.com", "must begin with https"),
        ("http://127.0.0.1.example.com", "must begin with https"),
        ("https://ada:the-password@api.wootric.com", "without credentials"),
        ("https://api.wootric.com?client_secret=the-secret", "without credentials or a query"),
        ("ftp://api.wootric.com", "must be an address"),
        ("api.wootric.com", "must be an address"),
        ("https://[api.wootric.com", "must be an address"),
        ("", "must be an address"),
    ],
)
def test_an_unsafe_address_is_refused(base_url: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as refused:
        Client(base_url, APPLICATION)
    assert "the-" not in str(refused.value)


def test_an_address_may_have_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    with Scripted(PAGE, PAGE) as server:
        with connected(f"{server.url}/gateway/") as client:
            client.get("/v1/responses", {})
        # As for Wootric's own host of the kind, which no test can reach.
        monkeypatch.setattr("wootric_pipeline.api.transport.sign_in_base", lambda url: url.removesuffix("/api"))
        with connected(f"{server.url}/api") as client:
            client.get("/v1/responses", {})
    assert [request.target for request in server.received] == [
        *("/gateway/oauth/token", "/gateway/v1/responses", "/oauth/token", "/api/v1/responses"),
    ]


def test_a_slash_after_the_address_does_not_matter() -> None:
    with Scripted(PAGE) as server, connected(server.url + "/", FakeClock()) as client:
        assert client.get("/v1/responses", {}) == [{"id": 1}]
        assert [request.target for request in server.received] == ["/oauth/token", "/v1/responses"]


@pytest.mark.parametrize(
    ("content", "kind"), [({"type": "error"}, "an object"), (None, "null"), ("text", "a text"), (5, "a single value")]
)
def test_anything_but_a_list_is_unexpected(content: Any, kind: str) -> None:
    with (
        talking(answer(content)) as talk,
        pytest.raises(UnexpectedAnswer, match=f"/v1/responses with {kind} where a list belongs"),
    ):
        talk.get()


def test_an_object_in_place_of_a_list_is_asked_for_again() -> None:
    with talking(answer({"message": "try again"}), PAGE) as talk:
        assert talk.get() == [{"id": 1}]
        assert len(talk.server.sent("GET")) == 2


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (400, UnexpectedAnswer, "answered /v1/responses with status 400"),
        (403, AuthenticationFailed, "does not let these credentials read /v1/responses"),
        (404, UnexpectedAnswer, "answered /v1/responses with status 404"),
    ],
)
def test_a_refused_request_is_not_repeated(status: int, error: type[WootricError], sentence: str) -> None:
    with talking(answer({"type": "error"}, status)) as talk:
        with pytest.raises(error, match=sentence):
            talk.get()
        assert len(talk.server.sent("GET")) == 1


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404, 429, 500])
def test_messages_show_no_token_no_secret_and_no_query(status: int) -> None:
    with talking(answer({"message": "private"}, status)) as talk:
        with pytest.raises(WootricError) as raised:
            talk.get(email="ada@example.com")
        assert talk.server.sent("GET")[0].params == {"email": "ada@example.com"}
    for hidden in ("token-1", "the-id", "the-secret", "email", "ada", "private"):
        assert hidden not in str(raised.value)


def test_no_more_connections_are_open_than_allowed(serve: Serve) -> None:
    sandbox = serve(Account(), latency_seconds=0.05)
    with connected(sandbox.url, credentials=SANDBOX, connections=2) as client:
        client.sign_in()
        threads = [threading.Thread(target=client.get, args=("/v1/responses", {})) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sandbox.under_way_max == 2


@pytest.mark.parametrize("ahead", [-7 * 3600, 0, 5 * 3600])
def test_the_servers_clock_is_known_from_its_answers(ahead: int) -> None:
    dated = answer([], date=formatdate(NOON + ahead, usegmt=True))
    with talking(dated) as talk:
        assert talk.client.server_ahead_seconds == 0
        talk.get()
        talk.clock.elapsed += 90
        assert talk.client.server_ahead_seconds == ahead
        assert talk.client.now() == NOON + 90


def test_a_date_that_is_none_is_passed_over() -> None:
    with talking(answer([], date="soon")) as talk:
        talk.get()
        assert talk.client.server_ahead_seconds == 0
