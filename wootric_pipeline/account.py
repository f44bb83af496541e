"""The account a sandbox serves: rows generated from a seed, or put there, and the list queries of the documented API.

Nothing here is shared with the loader. Times are integers, microseconds since 1970 in UTC: the service, too, stores
fractions of a second that it does not show.
"""

import random
import threading
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from .tables import TABLES

Row = dict[str, Any]
Key = tuple[Any, int]

SECOND = 1_000_000
YEAR_SECONDS = 31_557_600
HISTORY_YEARS = 4
LIVE_EVENT_SECONDS = 2
LIVE_EVENTS_MAX = 10_000
SURVEYS = (11, 12, 13)

LANGUAGES = {
    "en": ("Love it, setup took five minutes.", "Too slow on Mondays.", "Great support!", "The export keeps failing."),
    "de": ("Läuft zuverlässig, danke!", "Die Oberfläche ist unübersichtlich.", "Preis-Leistung stimmt."),
    "fr": ("Très pratique au quotidien.", "L'application plante trop souvent.", "Équipe à l'écoute."),
    "es": ("¡Muy fácil de usar!", "Faltan informes en español.", "Buen precio."),
    "ja": ("とても使いやすいです。", "読み込みが遅いです。"),
    "ar": ("خدمة ممتازة", "التطبيق بطيء"),
    "emoji": ("👍👍👍", "🙈 needs work"),
}
TAGS = ("pricing", "support", "performance", "onboarding", "bug", "feature request", "mobile", "reporting")
PLANS = ("free", "team", "business", "enterprise")


class Account:
    """Lists of rows in memory, ordered by each of their sort keys.

    Every method may be called while a server reads from the account.

    Args:
        time_zone: In which times are shown, an IANA name.
    """

    def __init__(self, time_zone: str = "America/Los_Angeles") -> None:
        self.time_zone = ZoneInfo(time_zone)
        self.rows: dict[str, dict[int, Row]] = {name: {} for name in TABLES}
        self.lock = threading.RLock()
        self._orders: dict[str, dict[str, list[Key]]] = {
            name: {key: [] for key in ("created_at", "updated_at", "email")} for name in TABLES
        }

    def put(self, table: str, row: Row) -> Row:
        """Adds a row, or replaces the one with its id."""
        with self.lock:
            self.delete(table, row["id"])
            self.rows[table][row["id"]] = row
            for key, order in self._orders[table].items():
                insort(order, _key(row, key))
            return row

    def fill(self, table: str, rows: Iterable[Row]) -> None:
        """Adds many new rows at once."""
        with self.lock:
            self.rows[table].update((row["id"], row) for row in rows)
            for key, order in self._orders[table].items():
                order[:] = sorted(_key(row, key) for row in self.rows[table].values())

    def change(self, table: str, row_id: int, at: int, **fields: Any) -> Row:
        """Updates a row at a moment in microseconds."""
        with self.lock:
            return self.put(table, {**self.rows[table][row_id], **fields, "updated_at": at})

    def delete(self, table: str, row_id: int) -> None:
        """Removes a row, if there is one with the id."""
        with self.lock:
            row = self.rows[table].pop(row_id, None)
            if row is not None:
                for key, order in self._orders[table].items():
                    del order[bisect_left(order, _key(row, key))]

    def query(
        self,
        table: str,
        ranges: dict[str, tuple[int, int]],
        sort_key: str,
        descending: bool,
        matches: Callable[[Row], bool] | None = None,
    ) -> Iterator[Row]:
        """Rows whose times lie in closed-open ranges of microseconds, in order; call it with the lock held."""
        rows, orders = self.rows[table], self._orders[table]
        slices = {
            key: (bisect_left(orders[key], (low,)), bisect_left(orders[key], (high,)))
            for key, (low, high) in ranges.items()
        }
        first, last = slices.get(sort_key, (0, len(rows)))
        in_order: Iterable[Key] = (
            orders[sort_key][index] for index in (range(last - 1, first - 1, -1) if descending else range(first, last))
        )
        narrowest = min(slices, key=lambda key: slices[key][1] - slices[key][0], default=sort_key)
        if narrowest != sort_key and (slices[narrowest][1] - slices[narrowest][0]) * 4 < last - first:
            start, end = slices[narrowest]
            ids = [row_id for _, row_id in orders[narrowest][start:end]]
            in_order = sorted((_key(rows[row_id], sort_key) for row_id in ids), reverse=descending)
        for _, row_id in in_order:
            row = rows[row_id]
            if all(low <= row[key] < high for key, (low, high) in ranges.items()) and (matches is None or matches(row)):
                yield row

    def shown(self, row: Row) -> Row:
        """A row as the API shows it: whole seconds, in the account's time zone."""
        return {
            **row,
            **{
                key: self._show(row[key])
                for key in ("created_at", "updated_at", "last_surveyed", "last_seen_at")
                if row.get(key)
            },
        }

    def _show(self, moment: int) -> str:
        text = datetime.fromtimestamp(moment // SECOND, self.time_zone).isoformat(" ")
        return f"{text[:19]} {text[19:22]}{text[23:]}"


class DemoAccount(Account):
    """Four years of history up to a moment, and one event every two seconds since: the same for the same seed.

    Args:
        history_ends_at: UNIX seconds.
        end_users, responses, declines: How many there are at that moment.
        seed: Of everything random.
        time_zone: See `Account`.
    """

    def __init__(
        self,
        history_ends_at: int,
        end_users: int = 5_000,
        responses: int = 10_000,
        declines: int = 5_000,
        seed: int = 7,
        time_zone: str = "America/Los_Angeles",
    ) -> None:
        super().__init__(time_zone)
        self._ends_at = history_ends_at
        self._random = random.Random(seed)
        # The hour after a change lies in the history, too.
        self._clock_changes = [
            change for change in _clock_changes(self.time_zone, history_ends_at) if change <= history_ends_at - 3_600
        ]
        import_second = self._moment() // SECOND * SECOND
        users = [
            self._end_user(1_000 + index, import_second if index % 17 == 0 and index < 5_100 else None)
            for index in range(end_users)
        ]
        self.fill("end_users", users)
        self.fill("responses", [self._response(50_000 + index, users) for index in range(responses)] if users else [])
        self.fill("declines", [self._decline(90_000_000 + index, users) for index in range(declines)] if users else [])
        self._live = random.Random(seed + 1)
        self._live_events = 0

    def advance(self, now: float) -> None:
        """Lets happen what happens up to `now`, UNIX seconds."""
        with self.lock:
            due = min(int((now - self._ends_at) // LIVE_EVENT_SECONDS), LIVE_EVENTS_MAX)
            while self._live_events < due:
                self._live_events += 1
                at = (self._ends_at + self._live_events * LIVE_EVENT_SECONDS) * SECOND - self._live.randrange(SECOND)
                self._live_event(at)

    def _moment(self) -> int:
        """A random moment of the history; some lie in the hours in which clocks are changed."""
        if self._random.random() < 0.005 and self._clock_changes:
            return (self._random.choice(self._clock_changes) + self._random.randrange(-3_600, 3_600)) * SECOND
        # The account grows: later is likelier.
        share = self._random.random() ** 0.7
        seconds = self._ends_at - HISTORY_YEARS * YEAR_SECONDS * (1 - share)
        return int(seconds) * SECOND - self._random.randrange(1, SECOND)

    def _later(self, created: int, share: float) -> int:
        """When a row was last updated: for a share of them some time after they were created."""
        if self._random.random() >= share:
            return created
        return created + int(self._random.random() ** 3 * max(self._ends_at * SECOND - 1 - created, 0))

    def _end_user(self, row_id: int, imported_at: int | None = None) -> Row:
        rnd = self._random
        created = imported_at or self._moment()
        updated = self._later(created, 0.5)
        surveyed = updated if rnd.random() < 0.6 else None
        return {
            "id": row_id,
            "created_at": created,
            "updated_at": updated,
            "email": f"person{row_id}@example.com",
            "last_surveyed": surveyed,
            "external_created_at": created // SECOND - rnd.randrange(90_000) if rnd.random() < 0.7 else None,
            "last_seen_at": updated,
            "properties": self._properties(),
            "phone_number": f"+1555{row_id:07d}" if rnd.random() < 0.3 else None,
            "external_id": f"crm-{row_id}" if rnd.random() < 0.5 else None,
            "last_response": {
                "id": 50_000 + rnd.randrange(10_000),
                "score": rnd.randrange(11),
                "text": rnd.choice(LANGUAGES["en"]),
                "survey": {"channel": rnd.choice(("web", "email", "mobile:ios", "mobile:android"))},
            }
            if surveyed
            else None,
            "settings": {
                "email_nps": True,
                "mobile_nps": rnd.random() < 0.9,
                "web_nps": True,
                "force_mobile_survey": False,
                "force_web_survey": rnd.random() < 0.01,
                "surveys_disabled_by_end_user": rnd.random() < 0.02,
            },
            "user_id": row_id % 90,
            "page_views_count": rnd.randrange(500),
        }

    def _properties(self) -> dict[str, Any]:
        rnd = self._random
        properties: dict[str, Any] = {"plan": rnd.choice(PLANS), "country": rnd.choice(("US", "DE", "FR", "JP", "BR"))}
        if rnd.random() < 0.5:
            properties["seats"] = rnd.randrange(1, 400)
        if rnd.random() < 0.2:
            properties["Account Manager"] = rnd.choice(("Ada", "Grace", None))
        return properties

    def _survey_row(self, row_id: int, users: list[Row], share_updated: float) -> Row:
        user = self._random.choice(users)
        created = self._moment()
        if created < user["created_at"]:
            end = max(self._ends_at * SECOND, user["created_at"] + 1)
            created = self._random.randrange(user["created_at"], end)
        return {
            "id": row_id,
            "created_at": created,
            "updated_at": self._later(created, share_updated),
            "end_user_id": user["id"],
            "survey_id": self._random.choice(SURVEYS),
            "ip_address": f"198.51.100.{row_id % 256}",
            "origin_url": f"https://app.example.com/page/{row_id % 40}",
            "end_user": {"properties": user["properties"]},
        }

    def _response(self, row_id: int, users: list[Row]) -> Row:
        rnd = self._random
        texts = LANGUAGES[rnd.choice(list(LANGUAGES))]
        return {
            **self._survey_row(row_id, users, 0.3),
            "score": rnd.choices(range(11), weights=(2, 1, 1, 2, 2, 5, 6, 14, 20, 22, 25))[0],
            "text": rnd.choice(texts) if rnd.random() < 0.6 else None,
            "completed": rnd.random() < 0.95,
            "excluded_from_calculations": rnd.random() < 0.02,
            "tags": rnd.sample(TAGS, rnd.choices((0, 1, 2, 3), weights=(50, 30, 15, 5))[0]),
            "notes": ["Called back."] if rnd.random() < 0.03 else [],
        }

    def _decline(self, row_id: int, users: list[Row]) -> Row:
        return self._survey_row(row_id, users, 0.02)

    def _live_event(self, at: int) -> None:
        what = self._live.random()
        self._random = self._live
        users = self.rows["end_users"]
        if not users:
            # Nobody is there to answer: the first event is a person.
            what = 0.4
        if what < 0.2:
            row = self._response(max(self.rows["responses"], default=0) + 1, list(users.values()))
            self.put("responses", {**row, "created_at": at, "updated_at": at})
            self.change("end_users", row["end_user_id"], at, last_surveyed=at)
        elif what < 0.35:
            row = self._decline(max(self.rows["declines"], default=0) + 1, list(users.values()))
            self.put("declines", {**row, "created_at": at, "updated_at": at})
        elif what < 0.45:
            user = self._end_user(max(users, default=0) + 1)
            self.put(
                "end_users", {**user, "created_at": at, "updated_at": at, "last_surveyed": None, "last_response": None}
            )
        elif self.rows["responses"]:
            response = self._live.choice(list(self.rows["responses"].values()))
            if what < 0.7:
                self.change("responses", response["id"], at, tags=self._live.sample(TAGS, self._live.randrange(3)))
            else:
                self.change("responses", response["id"], at, score=self._live.randrange(11), text="On second thoughts…")


def _key(row: Row, key: str) -> Key:
    value = row.get(key)
    return (value.lower() if isinstance(value, str) else (value or ("" if key == "email" else 0)), row["id"])


def _clock_changes(zone: ZoneInfo, ends_at: int) -> Iterator[int]:
    """The hours, in UNIX seconds, of the history in which the zone's offset changed."""
    hour = timedelta(hours=1)
    moment = datetime.fromtimestamp(ends_at - HISTORY_YEARS * YEAR_SECONDS, timezone.utc).replace(minute=0, second=0)
    while moment.timestamp() < ends_at:
        if moment.astimezone(zone).utcoffset() != (moment + hour).astimezone(zone).utcoffset():
            yield int((moment + hour).timestamp())
        moment += hour
