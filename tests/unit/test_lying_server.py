"""The model of lying servers: an honest one answers as documented, and each lie is told."""

import random
from itertools import pairwise
from typing import Any

import pytest

from tests.unit.lying_accounts import SERVERS, SUPPOSED, Named, Plan
from tests.unit.lying_server import HONEST, NOW, SECOND, Change, Glitch, Lies, LyingServer, Params, Refused, Row

FIRST = (NOW - 100_000) * SECOND


def server_of(rows: list[Row], lies: Lies = HONEST, table: str = "responses") -> LyingServer:
    return LyingServer({row.id: row for row in rows}, lies, table)


def a_minute_apart(count: int, fraction: int = 700_000) -> list[Row]:
    times = [FIRST + index * 60 * SECOND + fraction for index in range(count)]
    return [Row(index, moment, moment, f"{9_999 - index}@example.com") for index, moment in enumerate(times)]


def ids(server: LyingServer, **params: str | int) -> list[Any]:
    return [row["id"] for row in server.get(f"/v1/{server.table}", params)]


def second(index: int) -> int:
    return FIRST // SECOND + index * 60


def test_pages_are_numbered_from_one_to_thirty() -> None:
    server = server_of(a_minute_apart(1_600))
    assert ids(server, sort_order="asc") == [*range(25)]
    assert ids(server, sort_order="asc", per_page=80) == [*range(50)]
    assert ids(server, sort_order="asc", per_page=50, page=30) == [*range(1_450, 1_500)]
    assert ids(server, sort_order="asc", per_page=10, page=3) == [*range(20, 30)]
    with pytest.raises(Refused, match="400"):
        ids(server, page=31)
    assert ids(server_of([]), page=30) == []


def test_lists_have_an_order_of_their_own() -> None:
    rows = a_minute_apart(10)
    assert ids(server_of(rows), per_page=2) == [9, 8]
    assert ids(server_of(rows), per_page=2, sort_key="email", sort_order="asc") == [0, 1]
    assert ids(server_of(rows, table="end_users"), per_page=2) == [9, 8]
    assert ids(server_of(rows, table="end_users"), per_page=2, sort_key="updated_at") == [0, 1]


def test_filters_compare_hidden_fractions() -> None:
    server = server_of(a_minute_apart(10))
    bounds = [
        ("created[gte]", [5, 6, 7, 8, 9]),
        ("updated[gt]", [5, 6, 7, 8, 9]),
        ("updated[lt]", [0, 1, 2, 3, 4]),
        ("created[lte]", [0, 1, 2, 3, 4]),
        ("updated[eq]", []),
    ]
    for name, shown in bounds:
        assert ids(server, sort_order="asc", **{name: second(5)}) == shown
    assert ids(server, sort_order="asc", **{"updated[gte]": second(2), "created[lt]": second(4)}) == [2, 3]


def test_times_are_shown_in_the_time_of_the_account() -> None:
    summer = Row(1, 1_514_963_021_700_000, 1_530_000_000_000_000)
    server = server_of([summer], Lies(zone="America/Los_Angeles"))
    assert server.get("/v1/responses", {}) == [
        {"id": 1, "version": 0, "created_at": "2018-01-02 23:03:41 -0800", "updated_at": "2018-06-26 01:00:00 -0700"}
    ]
    assert server.record(summer)["created_at"].isoformat() == "2018-01-03T07:03:41+00:00"


def test_rows_change_between_requests() -> None:
    server = server_of(a_minute_apart(3))
    server.changes = [
        Change("nothing"),
        Change("update", 0),
        Change("delete", 1),
        Change("insert"),
        Change("insert_old", 9),
    ]
    told = [ids(server, sort_key="updated_at", sort_order="asc") for _ in range(5)]
    assert told == [[0, 1, 2], [1, 2, 0], [2, 0], [2, 0, 3], [2, 0, 3, 4]]
    expected = server.expected()
    assert [*expected.required] == [2]
    assert [row["version"] for row in expected.allowed[0]] == [0, 1]


def test_a_range_holds_what_is_shown_and_stored_in_it() -> None:
    server = server_of(a_minute_apart(10), Lies(shown="rounded_up"))
    expected = server.expected(second(3) + 1, second(6) + 1)
    assert [*expected.required] == [4, 5]
    assert [row_id for row_id, versions in expected.allowed.items() if versions] == [3, 4, 5, 6]


def test_rows_that_no_list_shows_leave_pages_short() -> None:
    rows = [Row(row.id, row.created, row.updated, hidden=row.id in (1, 2)) for row in a_minute_apart(6)]
    server = server_of(rows)
    assert ids(server, sort_order="asc", per_page=4) == [0, 3]
    assert server.expected().required.keys() == {0, 3, 4, 5}


@pytest.mark.parametrize("where", ["tail", "anywhere"])
@pytest.mark.parametrize("kind", ["empty", "short"])
def test_no_row_is_left_out_of_two_answers_running(kind: Any, where: Any) -> None:
    server = server_of(a_minute_apart(20), Lies(glitches=(Glitch(kind, rate=0.5, rows=5, where=where),)))
    answers = [set(ids(server, per_page=50)) for _ in range(200)]
    assert any(len(answer) < 20 for answer in answers)
    for one, other in pairwise(answers):
        assert one | other == set(range(20))


def answers_of(server: LyingServer, queries: list[Params]) -> list[Any]:
    """What a server says in all."""
    said: list[Any] = [server.date() - server.now // SECOND, server.local_time() - server.now // SECOND]
    for params in queries:
        try:
            said.append(server.get(f"/v1/{server.table}", params))
        except Refused as refused:
            said.append(str(refused))
    return said


def some_queries(rows: list[Row]) -> list[Params]:
    """Queries such as clients send, some twice, bounded by the seconds of rows, some of which lie on them."""
    queries: list[Params] = [{"per_page": rows, "sort_order": "asc"} for rows in range(5, 12)]
    queries += [{"per_page": 50, "page": number} for number in (1, 2, 9, 31)]
    for row in random.Random(1).sample([*rows[3:400:4], *rows[1:100:4]], 8):
        for axis, moment in (("created", row.created), ("updated", row.updated)):
            bound = moment // SECOND
            order = "desc" if row.id % 3 else "asc"
            asked: Params = {"per_page": 50, "sort_key": f"{axis}_at", "sort_order": order}
            queries.append({**asked, f"{axis}[gte]": bound, f"{axis}[lt]": bound + row.id * 100})
            queries.append({**asked, f"{axis}[lt]": bound, "created[gte]": bound - 1_000_000})
            queries.append({**asked, f"{axis}[gt]": bound, "sort_order": "asc"})
    return [*queries, *queries[:20]]


@pytest.mark.parametrize(
    "named", [pytest.param(named, id=name) for name, named in {**SERVERS, **SUPPOSED}.items() if named.lies != HONEST]
)
def test_every_lie_is_told(named: Named) -> None:
    plan = Plan(**{"rows": 500, "seed": 1, "tied_created": 60, **named.rows})
    rows = plan.build()
    changes = [Change("update", index) for index in range(60)]
    honest, liar = (
        LyingServer({row.id: row for row in rows}, lies, changes=list(changes)) for lies in (HONEST, named.lies)
    )
    queries = some_queries(rows)
    same = answers_of(honest, queries) == answers_of(liar, queries)
    assert not same
