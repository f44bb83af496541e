"""Measures when edited responses are loaded where their list ignores `updated`, without HTTP, by a clock of its own.

An account of four years is read every hour. Each hour one response of each age is edited: its score is another then,
and the row of its person, which `end_users` shows as updated, tells so. Beside the loader that asks for such responses
by their ids stands the same that waits for their part of the list.
"""

from argparse import Namespace
from collections.abc import Mapping
from datetime import datetime, timezone
from random import Random
from statistics import mean
from typing import Any

from benchmarks.processes import arguments, machine, print_table
from benchmarks.staleness import BEGINS_AT, SECONDS_PER_DAY, SECONDS_PER_HOUR, Loader, SteadyList
from wootric_pipeline.reading.history import Pace
from wootric_pipeline.reading.last_responses import LastResponses, newest
from wootric_pipeline.reading.listing import Page
from wootric_pipeline.reading.row_filter import ALL
from wootric_pipeline.tables import END_USERS, RESPONSES

AGES_DAYS = (0.5, 3, 10, 30, 100, 300, 1_000)


class EditedList(SteadyList):
    """A list whose responses get other scores; each person has one response, with the same id.

    Args:
        rows_a_day: How many responses come.
    """

    def __init__(self, rows_a_day: int) -> None:
        super().__init__(rows_a_day)
        self._edited: dict[int, int] = {}
        self.people: Page = []
        """Rows of `end_users` that were updated since they were read."""

    def edit(self, number: int, second: int) -> None:
        """Gives a response another score: the UNIX seconds of now."""
        self._edited[number] = second
        self.people.append({"id": number, "last_response": {"id": number, "score": second}})

    def one(self, path: str) -> dict[str, Any]:
        """What the API has at the path of a response."""
        self.requests += 1
        row = self.row(int(path.rsplit("/", 1)[1]))
        return {**row, "created_at": row["created_at"].isoformat(), "updated_at": row["updated_at"].isoformat()}

    def row(self, number: int) -> dict[str, Any]:
        """The row of a number, as it was edited."""
        row = {**super().row(number), "end_user_id": number, "score": self._edited.get(number)}
        if number in self._edited:
            row["updated_at"] = datetime.fromtimestamp(self._edited[number], timezone.utc)
        return row


class EditsLoader(Loader):
    """Loads also the last responses that people's rows tell of.

    Args:
        served: The list.
        requests_max: How many it may ask for in a run.

    Attributes:
        scores: Of the edited responses that the last run loaded, by id.
    """

    def __init__(self, served: EditedList, requests_max: int) -> None:
        super().__init__(served, Pace())
        self.scores: dict[int, int] = {}
        self._edited_list, self._requests_max = served, requests_max
        self._kept: dict[str, str] = {}

    def run(self) -> int:
        """One run; how many requests it took."""
        before, self.scores = self._edited_list.requests, {}
        last_responses = LastResponses(self._requests_max, self._edited_list.one)
        last_responses.note(END_USERS.name, self._edited_list.people)
        self._edited_list.people = []
        super().run()
        last_responses.note(RESPONSES.name, [{"id": number, "score": score} for number, score in self.scores.items()])
        for page in last_responses.pages(self._kept, ALL):
            self.take(page)
        self._kept = newest(self._kept)
        return self._edited_list.requests - before

    def take(self, rows: Page) -> None:
        """Keeps the scores of those that were edited."""
        self.scores.update((row["id"], row["score"]) for row in rows if row["score"] is not None)


def simulate(options: Namespace, requests_max: int) -> tuple[Mapping[float, list[float]], int]:
    """The hours from each edit to its load, by the response's age in days; and the requests of all runs."""
    random, served = Random(options.seed), EditedList(options.rows_a_day)
    loader = EditsLoader(served, requests_max)
    served.now += options.years * 365 * SECONDS_PER_DAY
    loader.run()
    hours: dict[float, list[float]] = {age: [] for age in AGES_DAYS}
    waiting: dict[int, tuple[int, float]] = {}
    requests = 0
    for _ in range(options.days * 24):
        for age in AGES_DAYS:
            second = int(served.now) + random.randrange(SECONDS_PER_HOUR)
            number = int((second - age * SECONDS_PER_DAY - BEGINS_AT) * served.rows_a_day / SECONDS_PER_DAY)
            served.edit(number, second)
            waiting[number] = second, age
        served.now += SECONDS_PER_HOUR
        requests += loader.run()
        for number in [each for each, (second, _) in waiting.items() if loader.scores.get(each) == second]:
            second, age = waiting.pop(number)
            hours[age].append((served.now - second) / SECONDS_PER_HOUR)
    for second, age in waiting.values():
        hours[age].append((served.now - second) / SECONDS_PER_HOUR)
    return hours, requests


def main() -> None:
    """Simulates and prints."""
    parser = arguments(__doc__, runs=1)
    parser.add_argument("--rows-a-day", type=int, default=500)
    parser.add_argument("--years", type=int, default=4)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--last-responses-max", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    without, requests_without = simulate(options, 0)
    by_id, requests_by_id = simulate(options, options.last_responses_max)
    print(f"{machine()}\n\nHours until an edit is loaded, of {options.days * 24:,} edits of responses of each age:\n")
    lines: list[list[object]] = [
        [
            age,
            f"{mean(without[age]):,.1f}; {max(without[age]):,.1f}",
            f"{mean(by_id[age]):,.1f}; {max(by_id[age]):,.1f}",
        ]
        for age in AGES_DAYS
    ]
    print_table(["age in days", "by their list: mean; worst", "by their ids: mean; worst"], lines)
    print(f"\nRequests a day: {requests_without / options.days:,.0f}; {requests_by_id / options.days:,.0f}.")
    print("An edit that is not loaded when the days are over counts up to then.")


if __name__ == "__main__":
    main()
