"""An account with four years of history, generated from a seed, in which something happens every two seconds."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from .account import SECOND, Account, Row

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
        self._set_up()
        import_second = self._moment() // SECOND * SECOND
        users = [
            self._end_user(1_000 + index, import_second if index % 17 == 0 and index < 5_100 else None)
            for index in range(end_users)
        ]
        answers = [self._response(50_000 + index, users) for index in range(responses)] if users else []
        _tell_last_responses(users, answers)
        self.fill("end_users", users)
        self.fill("responses", answers)
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

    def _set_up(self) -> None:
        """What the account has been set up with, when its history began."""
        begun = (self._ends_at - HISTORY_YEARS * YEAR_SECONDS) * SECOND
        types = {"plan": "string", "country": "string", "seats": "integer", "Account Manager": "string"}
        self.segments = [
            {"name": name, "data_type": data_type, "created_at": begun} for name, data_type in types.items()
        ]
        languages = [{"code": code, "name": name} for code, name in (("en", "English"), ("de", "German"))]
        self.survey_templates = [
            {
                "id": survey,
                "name": f"Survey {survey}",
                "default_language": "en",
                "languages": languages[: 1 + number % 2],
                "non_configured_language_count": number,
                "custom_samplings": [],
            }
            for number, survey in enumerate(SURVEYS)
        ]
        self.email_sources["ongoing"] = [{"id": "email_api", "name": "Email API *"}]
        self.email_sources["sends"] = [{"id": 1, "name": "customers.csv", "date": "Jan 11, 2024  9:01AM"}]

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

    def _survey_row(self, row_id: int, users: list[Row], share_updated: float, *, shows_email: bool = False) -> Row:
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
            "end_user": {**({"email": user["email"]} if shows_email else {}), "properties": user["properties"]},
        }

    def _response(self, row_id: int, users: list[Row]) -> Row:
        rnd = self._random
        texts = LANGUAGES[rnd.choice(list(LANGUAGES))]
        return {
            **self._survey_row(row_id, users, 0.3, shows_email=True),
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
            told = _as_last_response(row, users[row["end_user_id"]])
            self.change("end_users", row["end_user_id"], at, last_surveyed=at, last_response=told)
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
                self._think_again(response["id"], at)

    def _think_again(self, response_id: int, at: int) -> None:
        """Somebody gives another score, which the person's row tells, too, if it is of the last response."""
        text = "On second thoughts…"
        response = self.change("responses", response_id, at, score=self._live.randrange(11), text=text)
        user = self.rows["end_users"].get(response["end_user_id"])
        if user and user["last_response"] and user["last_response"]["id"] == response_id:
            self.change("end_users", user["id"], at, last_response=_as_last_response(response, user))


def _tell_last_responses(users: list[Row], responses: list[Row]) -> None:
    """Has each person's row tell of the last response that there is."""
    last = {row["end_user_id"]: row for row in sorted(responses, key=lambda row: (row["created_at"], row["id"]))}
    for user in users:
        user["last_response"] = _as_last_response(last[user["id"]], user) if user["id"] in last else None


def _as_last_response(response: Row, user: Row) -> Row:
    survey = (user["last_response"] or {}).get("survey", {"channel": "web"})
    return {"id": response["id"], "score": response["score"], "text": response["text"], "survey": survey}


def _clock_changes(zone: ZoneInfo, ends_at: int) -> Iterator[int]:
    """The hours, in UNIX seconds, of the history in which the zone's offset changed."""

    def changes(moment: datetime, step: timedelta) -> bool:
        return moment.astimezone(zone).utcoffset() != (moment + step).astimezone(zone).utcoffset()

    hour, day = timedelta(hours=1), timedelta(days=1)
    start = datetime.fromtimestamp(ends_at - HISTORY_YEARS * YEAR_SECONDS, timezone.utc).replace(minute=0, second=0)
    while start.timestamp() < ends_at:
        hours = [start + number * hour for number in range(24)] if changes(start, day) else []
        yield from (int((each + hour).timestamp()) for each in hours if changes(each, hour))
        start += day
