"""The sandbox as a service: signing in, limits, errors and faults, as the API's documentation has them."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from tests.conftest import NOON, Serve, row
from wootric_pipeline.sandbox import CLIENT_ID, CLIENT_SECRET, PASSWORD, SECOND, USERNAME, Account, Sandbox
from wootric_pipeline.sandbox.__main__ import main

APPLICATION = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
PERSON = {"grant_type": "password", "username": USERNAME, "password": PASSWORD}


def sign_in(sandbox: Sandbox, form: dict[str, str], **params: str) -> requests.Response:
    return requests.post(f"{sandbox.url}/oauth/token", data=form, params=params, timeout=5)


def authorization(sandbox: Sandbox) -> dict[str, str]:
    return {"Authorization": f"Bearer {sign_in(sandbox, APPLICATION).json()['access_token']}"}


def ask(sandbox: Sandbox, path: str = "/v1/responses", /, **params: Any) -> requests.Response:
    return requests.get(sandbox.url + path, params, headers=authorization(sandbox), timeout=5)


def account(rows: int = 3) -> Account:
    made = Account()
    made.fill("responses", [row(index, NOON + index) for index in range(rows)])
    return made


def test_an_application_gets_a_token(serve: Serve) -> None:
    content = sign_in(serve(Account()), APPLICATION).json()
    assert set(content) == {"access_token", "token_type", "expires_in", "scope"}
    assert (content["token_type"], content["expires_in"]) == ("bearer", 7200)


def test_a_person_gets_a_refresh_token_too(serve: Serve) -> None:
    answer = sign_in(serve(Account()), PERSON, account_token="NPS-1")
    assert set(answer.json()) == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}


@pytest.mark.parametrize(
    "form",
    [
        {},
        {**APPLICATION, "client_secret": "wrong"},
        {**APPLICATION, "grant_type": "password"},
        {**PERSON, "username": "wrong"},
        {**PERSON, "grant_type": "client_credentials"},
    ],
)
def test_wrong_credentials_get_401_and_an_object(serve: Serve, form: dict[str, str]) -> None:
    answer = sign_in(serve(Account()), form)
    assert answer.status_code == 401
    assert answer.json() == {"type": "error", "message": "invalid_client"}


def test_credentials_in_the_address_do_not_count(serve: Serve) -> None:
    assert sign_in(serve(Account()), {}, **APPLICATION).status_code == 401


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer other"}, {"Authorization": "Basic c2FuZGJveA=="}])
def test_without_a_valid_token_nothing_is_answered(serve: Serve, header: dict[str, str]) -> None:
    answer = requests.get(f"{serve(account()).url}/v1/responses", headers=header, timeout=5)
    assert (answer.status_code, answer.json()) == (401, {"type": "error", "message": "unauthorized"})


def test_revoked_and_expired_tokens_get_401(serve: Serve) -> None:
    sandbox = serve(account())
    header = authorization(sandbox)
    assert requests.get(f"{sandbox.url}/v1/responses", headers=header, timeout=5).status_code == 200
    sandbox.revoke_tokens()
    assert requests.get(f"{sandbox.url}/v1/responses", headers=header, timeout=5).status_code == 401
    assert ask(serve(account(), token_seconds=0)).status_code == 401


@pytest.mark.parametrize(
    ("path", "params", "status"),
    [
        ("/v1/nothing", {}, 404),
        ("/v1/responses", {"page": 31}, 400),
        ("/v1/responses", {"page": "last"}, 400),
        ("/v1/responses", {"created[gte]": "2023-01-01"}, 400),
    ],
)
def test_errors_are_objects(serve: Serve, path: str, params: dict[str, Any], status: int) -> None:
    answer = ask(serve(account()), path, **params)
    assert answer.status_code == status
    assert set(answer.json()) == {"type", "message"}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_gets_404_signed_in_or_not(serve: Serve, method: str) -> None:
    sandbox = serve(account())
    for header in ({}, authorization(sandbox)):
        answer = requests.request(method, f"{sandbox.url}/oauth/nothing", headers=header, timeout=5)
        assert (answer.status_code, answer.json()) == (404, {"type": "error", "message": "not found"})


def test_lists_are_bare_json(serve: Serve) -> None:
    answer = ask(serve(account(1)))
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.json() == [
        {"id": 0, "created_at": "2023-11-14 14:13:20 -0800", "updated_at": "2023-11-14 14:13:20 -0800"}
    ]


def test_without_a_limit_there_are_no_limit_headers(serve: Serve) -> None:
    assert not [name for name in ask(serve(account())).headers if name.startswith("X-Rate-Limit")]


def test_past_the_limit_there_are_429_answers_until_the_window_is_over(serve: Serve) -> None:
    sandbox = serve(account(), rate_limit=2)
    answers = [ask(sandbox) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-Rate-Limit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer.headers["X-Rate-Limit-Limit"] for answer in answers} == {"2"}
    assert 59 <= int(answers[-1].headers["X-Rate-Limit-Reset"]) - sandbox.now() <= 61
    assert isinstance(answers[-1].json(), dict)
    assert "Retry-After" not in answers[-1].headers
    sandbox.behaviour.clock_ahead_seconds += 61
    assert ask(sandbox).status_code == 200


def test_the_date_header_shows_the_servers_clock(serve: Serve) -> None:
    sandbox = serve(account(), clock_ahead_seconds=-NOON)
    assert ask(sandbox).headers["Date"].startswith(time.strftime("%a, %d %b %Y %H", time.gmtime(time.time() - NOON)))


def test_a_share_of_the_lists_is_answered_with_500(serve: Serve) -> None:
    sandbox = serve(account(), error_rate=0.5)
    statuses = [ask(sandbox).status_code for _ in range(30)]
    assert set(statuses) == {200, 500}
    assert 5 <= statuses.count(500) <= 25


def test_the_same_seed_fails_the_same_requests(serve: Serve) -> None:
    first, second = (serve(account(), error_rate=0.5, seed=5) for _ in range(2))
    assert [ask(first).status_code for _ in range(10)] == [ask(second).status_code for _ in range(10)]


@pytest.mark.parametrize("fault", ["truncation_rate", "reset_rate"])
def test_lists_break_off_and_sign_ins_do_not(serve: Serve, fault: str) -> None:
    sandbox = serve(account(), **{fault: 1.0})
    assert sign_in(sandbox, APPLICATION).status_code == 200
    broken = requests.exceptions.ChunkedEncodingError if fault == "truncation_rate" else requests.ConnectionError
    with pytest.raises(broken):
        ask(sandbox)


def test_latency_is_added_and_concurrent_requests_are_counted(serve: Serve) -> None:
    sandbox = serve(account(), latency_seconds=0.05)
    started = time.monotonic()
    threads = [threading.Thread(target=sign_in, args=(sandbox, APPLICATION)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started >= 0.05
    assert sandbox.under_way_max == 3


def test_rows_can_change_before_an_answer(serve: Serve) -> None:
    served, tables = account(0), []

    def add(table: str) -> None:
        tables.append(table)
        served.put("responses", row(len(tables)))

    sandbox = serve(served, before_answer=add)
    assert [len(ask(sandbox).json()) for _ in range(2)] == [1, 2]
    assert tables == ["responses", "responses"]


def test_requests_are_kept_for_tests_to_look_at(serve: Serve) -> None:
    sandbox = serve(account())
    ask(sandbox, page=2, **{"created[gte]": NOON})
    token, request = sandbox.requests
    assert (token.path, token.form) == ("/oauth/token", APPLICATION)
    assert (request.path, request.params) == ("/v1/responses", {"page": "2", "created[gte]": str(NOON)})
    assert request.headers["Authorization"].startswith("Bearer ")


@pytest.fixture
def command() -> Iterator[subprocess.Popen[str]]:
    arguments = ["--port", "0", "--end-users", "40", "--responses", "60", "--declines", "30"]
    started = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "wootric_pipeline.sandbox", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def test_the_command_prints_its_address_serves_and_stops(command: subprocess.Popen[str]) -> None:
    assert command.stdout
    line = command.stdout.readline()
    url = line.removeprefix("Serving the sandbox at ").partition(";")[0]
    token = requests.post(f"{url}/oauth/token", data=APPLICATION, timeout=5).json()["access_token"]
    header = {"Authorization": f"Bearer {token}"}
    assert len(requests.get(f"{url}/v1/declines?per_page=50", headers=header, timeout=5).json()) == 30
    command.send_signal(signal.SIGINT)
    assert command.communicate(timeout=5) == ("", "")
    assert command.returncode == 0


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("--port=x", "Argument --port: must be a number from 0 to 65535; see --help."),
        ("--port=65536", "Argument --port: must be a number from 0 to 65535; see --help."),
        ("--responses=-1", "Argument --responses: must be a number, 0 or more; see --help."),
        ("--error-rate=2", "Argument --error-rate: must be a number from 0 to 1; see --help."),
        ("--time-zone=Mars/Base", "Argument --time-zone: there is no time zone 'Mars/Base'; see --help."),
        ("--time-zone=../../x", "Argument --time-zone: there is no time zone '../../x'; see --help."),
        (
            "--ignore-updated=responses,answers",
            "Argument --ignore-updated: there is no table 'answers', only end_users, responses, declines; see --help.",
        ),
        ("--verbose", "Unrecognized arguments: --verbose; see --help."),
    ],
)
def test_a_wrong_argument_of_the_command_is_told(capsys: pytest.CaptureFixture[str], word: str, sentence: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([word])
    assert (ended.value.code, capsys.readouterr()) == (2, ("", sentence + "\n"))


def test_a_port_in_use_is_told(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    port = urlsplit(serve(Account()).url).port
    with pytest.raises(SystemExit) as ended:
        main([f"--port={port}", "--end-users=1", "--responses=1", "--declines=1"])
    sentence = f"Port {port} cannot be used: Address already in use; see --help.\n"
    assert (ended.value.code, capsys.readouterr()) == (2, ("", sentence))


def test_times_are_kept_finer_than_they_are_shown(serve: Serve) -> None:
    served = Account("UTC")
    served.put("responses", {"id": 1, "created_at": NOON * SECOND + 999_999, "updated_at": NOON * SECOND + 999_999})
    (shown,) = ask(serve(served)).json()
    assert shown["created_at"] == "2023-11-14 22:13:20 +0000"
