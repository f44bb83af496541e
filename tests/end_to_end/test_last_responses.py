"""Changes of old responses that `end_users` tells of come with the next run, within a budget of requests."""

from typing import Any

import pytest
from dlt import Pipeline

from tests.conftest import NOON, Serve, access, first, row
from tests.tables import expected, loaded
from wootric_pipeline.command.loading import load
from wootric_pipeline.command.report import as_json, as_text
from wootric_pipeline.command.run import Run, source_for
from wootric_pipeline.sandbox import SECOND, Account, Refused, Sandbox

IGNORED = frozenset({"responses"})
DAY = 86_400
ABSENT = "(absent)"


@pytest.fixture
def account() -> Account:
    account = Account()
    people, responses = [], []
    for index in range(150):
        second = NOON + index * DAY
        responses.append(row(1_000 + index, second, end_user_id=index, score=9, text="Good", tags=[]))
        told = {"id": 1_000 + index, "score": 9, "text": "Good"}
        people.append(row(index, second, email=f"{index}@example.com", last_response=told))
    account.fill("responses", responses)
    account.fill("end_users", people)
    return account


@pytest.fixture
def sandbox(serve: Serve, account: Account) -> Sandbox:
    return serve(account, ignores_updated=IGNORED, ignores_sort_key=IGNORED)


def run(pipeline: Pipeline, sandbox: Sandbox, *tables: str, **arguments: Any) -> Run:
    notes = Run(isolates_tables=True)
    load(pipeline, source_for(notes, **access(sandbox), **arguments), notes, tables or ("end_users", "responses"))
    return notes


def answer(account: Account, person: int, at: int, **fields: Any) -> None:
    """A person changes the answer of some time ago."""
    account.change("responses", 1_000 + person, at * SECOND, **fields)
    told = account.rows["responses"][1_000 + person]
    account.change("end_users", person, at * SECOND, last_response={key: told[key] for key in ("id", "score", "text")})


def by_id(sandbox: Sandbox) -> list[str]:
    return [request.path for request in sandbox.requests if "/responses/" in request.path]


def test_another_answer_comes_with_the_next_run(pipeline: Pipeline, account: Account, sandbox: Sandbox) -> None:
    run(pipeline, sandbox)
    assert by_id(sandbox) == []
    answer(account, 3, NOON + 200 * DAY, score=2)
    answer(account, 4, NOON + 200 * DAY, text="Not any more")
    notes = run(pipeline, sandbox)
    assert loaded(pipeline, "responses") == expected(account, "responses")
    assert sorted(by_id(sandbox)) == ["/v1/end_users/3/responses/1003", "/v1/end_users/4/responses/1004"]
    report = as_json(notes, pipeline="", destination="", dataset="")["tables"]["responses"]
    assert (report["rows"], report["rows_by_id"], report["complete"]) == (2, 2, True)
    assert "responses: 2 came by their ids" in as_text(notes, destination="", dataset="")
    # The people come again, since they are the newest; their answers are known by then.
    for _ in range(2):
        run(pipeline, sandbox)
    assert len(by_id(sandbox)) == 2


def test_who_is_updated_otherwise_costs_a_request_once(pipeline: Pipeline, account: Account, sandbox: Sandbox) -> None:
    run(pipeline, sandbox)
    for moment in (200, 201, 202):
        account.change("end_users", 3, (NOON + moment * DAY) * SECOND, email="other@example.com")
        run(pipeline, sandbox)
    assert len(by_id(sandbox)) == 1


def test_no_more_are_asked_for_than_a_setting_says(pipeline: Pipeline, account: Account, sandbox: Sandbox) -> None:
    run(pipeline, sandbox)
    for person in range(20):
        answer(account, person, NOON + 200 * DAY, score=1)
    run(pipeline, sandbox, last_responses_max=5)
    assert len(by_id(sandbox)) == 5
    run(pipeline, sandbox, last_responses_max=0)
    assert len(by_id(sandbox)) == 5


def test_what_is_gone_or_is_another_persons_stops_nothing(
    pipeline: Pipeline, account: Account, sandbox: Sandbox
) -> None:
    run(pipeline, sandbox)
    answer(account, 3, NOON + 200 * DAY, score=2)
    account.delete("responses", 1_003)
    account.change("end_users", 4, (NOON + 200 * DAY) * SECOND, last_response={"id": 1_009, "score": 1, "text": None})
    account.change("end_users", 5, (NOON + 200 * DAY) * SECOND, last_response={"id": "x", "score": 1})
    notes = run(pipeline, sandbox)
    assert (notes.table("responses").complete, notes.table("responses").rows) == (True, 0)
    assert len(by_id(sandbox)) == 2


def test_without_people_nobody_is_asked_for(pipeline: Pipeline, account: Account, sandbox: Sandbox) -> None:
    run(pipeline, sandbox)
    answer(account, 3, NOON + 200 * DAY, score=2)
    run(pipeline, sandbox, "responses")
    assert by_id(sandbox) == []


def test_excluded_columns_are_left_out_of_them(pipeline: Pipeline, account: Account, sandbox: Sandbox) -> None:
    run(pipeline, sandbox, exclude_columns="responses.text")
    answer(account, 3, NOON + 200 * DAY, score=2)
    run(pipeline, sandbox, exclude_columns="responses.text")
    assert loaded(pipeline, "responses")[1_003]["score"] == 2
    assert "text" not in loaded(pipeline, "responses")[1_003]


OTHERS: dict[int, dict[str, Any]] = {
    3: {"updated_at": "2023-11-17 22:14:20 +0000"},  # before the list was read, which showed what was there then
    4: {"score": 7},  # as it was in some cache
    5: {"id": 1_099},
    6: {"id": "1006"},
    7: {"updated_at": None},
    8: {"created_at": "never"},
    9: {"end_user_id": 4},
    10: {"score": None, "text": None},
    11: {"score": ABSENT},
    12: {"text": ABSENT},
}
"""What is answered instead, by the person."""


@pytest.mark.parametrize(
    "others", first(pytest.param(OTHERS, id="all"), *({person: other} for person, other in OTHERS.items()))
)
def test_what_is_not_the_response_that_was_told_of_is_not_loaded(
    pipeline: Pipeline,
    account: Account,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    others: dict[int, dict[str, Any]],
) -> None:
    run(pipeline, sandbox)
    before = loaded(pipeline, "responses")
    for person in others:
        answer(account, person, NOON + 200 * DAY, score=2)
    one = sandbox._one

    def another(path: str) -> dict[str, Any]:
        other = others[int(path.split("/")[3])]
        return {key: value for key, value in {**one(path), **other}.items() if value != ABSENT}

    monkeypatch.setattr(sandbox, "_one", another)
    notes = run(pipeline, sandbox)
    assert (notes.ok, len(by_id(sandbox)), notes.table("responses").rows_by_id) == (True, len(others), 0)
    assert loaded(pipeline, "responses") == before


def test_a_text_that_is_left_out_of_people_is_not_compared(
    pipeline: Pipeline, account: Account, sandbox: Sandbox
) -> None:
    patterns = "end_users.last_response__text,responses.text"
    run(pipeline, sandbox, exclude_columns=patterns)
    answer(account, 3, NOON + 200 * DAY, score=2)
    run(pipeline, sandbox, exclude_columns=patterns)
    assert loaded(pipeline, "responses")[1_003]["score"] == 2


@pytest.mark.parametrize("status", [301, *first(403, 400, 401, 422)])
def test_a_service_that_does_not_answer_by_id_is_a_warning(
    pipeline: Pipeline, account: Account, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    run(pipeline, sandbox)
    answer(account, 3, NOON + 200 * DAY, score=2)
    answer(account, 4, NOON + 200 * DAY, score=2)

    def refuse(_path: str) -> None:
        raise Refused(status, "no")

    monkeypatch.setattr(sandbox, "_one", refuse)
    monkeypatch.setattr("wootric_pipeline.api.client.ONE_RETRY_SECONDS_MAX", 1.0)
    notes = run(pipeline, sandbox)
    assert (notes.ok, len(set(by_id(sandbox))), len(notes.warnings)) == (True, 1, 1)
    assert "No more responses were asked for by their ids" in notes.warnings[0]


def test_an_outage_of_what_is_asked_for_by_ids_is_a_warning(
    pipeline: Pipeline, account: Account, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(pipeline, sandbox)
    answer(account, 3, NOON + 200 * DAY, score=2)

    def fail(_path: str) -> None:
        raise Refused(500, "no")

    monkeypatch.setattr(sandbox, "_one", fail)
    monkeypatch.setattr("wootric_pipeline.api.client.ONE_RETRY_SECONDS_MAX", 1.0)
    notes = run(pipeline, sandbox)
    assert (notes.ok, len(notes.warnings)) == (True, 1)
