"""What tables and columns mean, for dlt's schema, for comments in databases and for docs/columns.md.

In words of its own, from the vendor's API documentation and from what others have recorded of the service; where nobody
says what a field means, this does not either. `python -m tests.columns` writes the tables of docs/columns.md from here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Meaning(NamedTuple):
    """What a column means.

    Attributes:
        text: Readable by itself; names are in backquotes, as in Markdown.
        source: Where it is from, as docs/columns.md explains: `D`, `R`, `S`, `-`, `own` or `dlt`, or several with
            commas.
        is_personal: Whether it is known to tell of a person who that is, or in the person's words what they think.
    """

    text: str
    source: str
    is_personal: bool = False


RUNS = "wootric_runs"
"""The table about the runs of the command, which is none of Wootric's."""

TABLE_DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "end_users": "One row for each person who was surveyed, or made known to Wootric by your software.",
        "responses": "One row for each answer to a survey.",
        "responses__tags": "One row for each tag of a response.",
        "responses__notes": "One row for each note of a response; what notes are is not documented.",
        "declines": "One row for each survey that a person closed without an answer.",
        RUNS: "One row for each run of the command and each table it was to load, also for runs that failed.",
        "segments": "One row for each property of people by which the account can part its figures.",
        "survey_templates": "One row for each survey the account has set up.",
        "survey_templates__languages": "One row for each language of a survey template.",
        "survey_templates__custom_samplings": (
            "One row for each sampling rule of a survey template; what these hold is not documented."
        ),
        "nps_summary": "One row for each day of the account's time zone that has ended, with Wootric's own figures.",
        "email_stats": "One row for each day of the account's time zone that has ended, and each kind of e-mails.",
        "email_sources": "One row for each source of e-mails: what sends them as it goes, and each file that was sent.",
    }
)

_GONE = Meaning(
    "when it was found that Wootric does not have the row any more; null while it has; there with "
    '`deleted = "mark"` alone',
    "own",
)
_CHANGED = Meaning("when the row last changed; the cursor", "D")

_LIST: Mapping[str, Meaning] = {
    "_dlt_parent_id": Meaning("`responses._dlt_id` of the response it belongs to", "dlt"),
    "_dlt_root_id": Meaning("the same as `_dlt_parent_id`; dlt deletes by it what a response has lost", "dlt"),
    "_dlt_list_idx": Meaning("its place in the list, from 0", "dlt"),
    "_dlt_id": Meaning("the row's own name; the primary key", "dlt"),
}

_RUNS: Mapping[str, Meaning] = {
    "run_id": Meaning("the same in all rows of a run", "own"),
    "table_name": Meaning("the table that was to be loaded", "own"),
    "started_at": Meaning("when the run began", "own"),
    "seconds": Meaning("how long the whole run took", "own"),
    "kind": Meaning(
        "`load`; `range` where just a range was to be loaded, which makes no table fresh; `verify`, `repair`, "
        "`find_deleted` or `forget`",
        "own",
    ),
    "complete": Meaning(
        "whether all of the table that was to be loaded is loaded, nothing was found missing, or all that is gone was "
        "found, or nothing of who is forgotten is left",
        "own",
    ),
    "rows": Meaning(
        "how many rows were loaded; of `find_deleted`, how many were marked, unmarked or removed; of `forget`, how "
        "many were removed or cleared",
        "own",
    ),
    "rows_unchanged": Meaning("how many rows were read again and not loaded again, since they have not changed", "own"),
    "rows_gone": Meaning(
        "of `find_deleted`, how many rows Wootric does not have any more that were not marked before; else null", "own"
    ),
    "requests": Meaning(
        "how many pages were asked for, and how many rows by their ids; of `verify`, for `responses` also how often "
        "Wootric was asked for its own figures",
        "own",
    ),
    "mode": Meaning(
        "the time the table was read along: `updated` or `created`; `whole` or `days`; null if it was not read", "own"
    ),
    "cursor": Meaning("the latest `updated_at` that is loaded", "own"),
    "read_up_to": Meaning("all that was updated before is loaded; null where some rows were never read", "own"),
    "error": Meaning("why the table is not complete, in a sentence", "own"),
    "warnings": Meaning("what was not as it should be in the run and stopped nothing, in sentences", "own"),
    "verdict": Meaning(
        "of `responses`, where they were compared with Wootric's own figures when the run began: `equal`; `equal, "
        "counted differently`; `differs`; `cannot compare`; null elsewhere",
        "own",
    ),
    "verdict_detail": Meaning("all that the comparison has found, an object as a text of JSON", "own"),
    "version": Meaning("of the loader", "own"),
}
_LIST_OF_TEMPLATE: Mapping[str, Meaning] = {
    **_LIST,
    "_dlt_parent_id": Meaning("`survey_templates._dlt_id` of the template it belongs to", "dlt"),
}
_DAY = Meaning("the day, in the account's time zone; only days that have ended everywhere", "D")

COLUMN_DESCRIPTIONS: Mapping[str, Mapping[str, Meaning]] = MappingProxyType(
    {
        "end_users": {
            "id": Meaning("Wootric's number of the person; the primary key", "D"),
            "created_at": Meaning("when the person was created in Wootric", "D"),
            "updated_at": _CHANGED,
            "email": Meaning(
                "the person's e-mail address; not unique: null for people known by their phone alone, and `Unknown` "
                "for some",
                "D, R",
                is_personal=True,
            ),
            "phone_number": Meaning("the person's phone number", "D", is_personal=True),
            "external_id": Meaning(
                "the number or name by which your own software knows the person", "D", is_personal=True
            ),
            "external_created_at": Meaning(
                "when the person was created in your own software, in UNIX seconds: not a timestamp", "D"
            ),
            "last_surveyed": Meaning("when the person was last surveyed; null for never", "D"),
            "last_seen_at": Meaning("when the person was last seen; often null", "D, R"),
            "last_response__id": Meaning(
                "`responses.id` of the person's latest response; null while there is none", "D"
            ),
            "last_response__score": Meaning("the score of the person's latest response", "D"),
            "last_response__text": Meaning("the comment of the person's latest response", "D", is_personal=True),
            "last_response__survey__channel": Meaning(
                "where the person's latest response was given, such as `web`, `email` or `mobile:ios`", "D, R"
            ),
            "settings__email_nps": Meaning("whether the person may be surveyed by e-mail", "D"),
            "settings__mobile_nps": Meaning("whether the person may be surveyed in a mobile app", "D"),
            "settings__web_nps": Meaning("whether the person may be surveyed on a web page", "D"),
            "settings__force_mobile_survey": Meaning(
                "whether the person is asked in the mobile app at the next chance, whatever the sampling; null for no",
                "D, R",
            ),
            "settings__force_web_survey": Meaning(
                "whether the person is asked on the web page at the next chance, whatever the sampling; null for no",
                "D, R",
            ),
            "settings__surveys_disabled_by_end_user": Meaning(
                "by its name: the person wants no more surveys; null in all answers seen", "-"
            ),
            "user_id": Meaning("of former versions of the API, a number there; null today", "D", is_personal=True),
            "page_views_count": Meaning("page views counted; of former versions of the API, null today", "D, S"),
            "properties": Meaning("your own properties of the person as they are now", "D"),
            "_deleted_at": _GONE,
        },
        "responses": {
            "id": Meaning("Wootric's number of the response; the primary key", "D"),
            "created_at": Meaning("when the response was given; whoever imports responses may choose any time", "D"),
            "updated_at": _CHANGED,
            "end_user_id": Meaning("`end_users.id` of who gave the response", "D"),
            "survey_id": Meaning("which survey the response belongs to", "D"),
            "score": Meaning(
                "0-10 in NPS surveys, 1-7 in CES, 1-5 or 1-10 in CSAT; the API does not say which it is", "D"
            ),
            "text": Meaning("the comment; null or empty without one", "D", is_personal=True),
            "completed": Meaning(
                "whether the response is complete; it is false in all of the vendor's samples, also with a comment", "D"
            ),
            "excluded_from_calculations": Meaning(
                "whether Wootric leaves the response out of its figures, as scores given by e-mail scanners", "D"
            ),
            "ip_address": Meaning("IP address from which the response was given", "D", is_personal=True),
            "origin_url": Meaning("address of the page on which the response was given", "D", is_personal=True),
            "end_user__email": Meaning(
                "the person's e-mail address; in recorded answers, and no part of the documentation",
                "R",
                is_personal=True,
            ),
            "end_user__properties": Meaning(
                "your own properties of the person as they were when the survey was taken", "D"
            ),
            "tags": Meaning("the tags of the response, a list of texts", "D"),
            "notes": Meaning(
                "the notes of the response, a list; what notes are is not documented", "D", is_personal=True
            ),
            "_deleted_at": _GONE,
        },
        "responses__tags": {"value": Meaning("the tag", "D"), **_LIST},
        "responses__notes": {"value": Meaning("the note, where notes are texts", "-"), **_LIST},
        "declines": {
            "id": Meaning("Wootric's number of the decline; the primary key", "D"),
            "created_at": Meaning("when the survey was declined; whoever imports declines may choose any time", "D"),
            "updated_at": _CHANGED,
            "end_user_id": Meaning("`end_users.id` of who declined", "D"),
            "survey_id": Meaning("which survey was declined, as in `responses`", "D"),
            "ip_address": Meaning("IP address from which the survey was declined", "D", is_personal=True),
            "origin_url": Meaning("address of the page on which the survey was declined", "D", is_personal=True),
            "end_user__properties": Meaning(
                "your own properties of the person as they were when the survey was declined", "D"
            ),
            "_deleted_at": _GONE,
        },
        RUNS: _RUNS,
        "segments": {
            "name": Meaning("the name of the property; the primary key", "D"),
            "data_type": Meaning("`string`, `date` or `integer`", "D"),
            "created_at": Meaning("when the segment was created", "D"),
        },
        "survey_templates": {
            "id": Meaning("Wootric's number of the template; the primary key", "D"),
            "name": Meaning("the name of the template", "D"),
            "is_default": Meaning("whether it is the account's default template", "D"),
            "default_language": Meaning("the code of the language in which people are asked by default", "D"),
            "non_configured_language_count": Meaning("how many languages are not set up, by its name", "-"),
            "languages": Meaning("the languages of the template, a list of codes and names", "D"),
            "custom_samplings": Meaning("its sampling rules, a list; empty in the vendor's samples", "D"),
        },
        "survey_templates__languages": {
            "code": Meaning("the code of the language, such as `en`", "D"),
            "name": Meaning("the name of the language, such as `English`", "D"),
            **_LIST_OF_TEMPLATE,
        },
        "survey_templates__custom_samplings": _LIST_OF_TEMPLATE,
        "nps_summary": {
            "date": Meaning(f"{_DAY.text}; the primary key", "D"),
            "nps": Meaning("the Net Promoter Score of the day's responses, a whole number", "D"),
            "responses": Meaning("how many responses Wootric counts; by which rule is not documented", "D"),
            "promoters": Meaning("how many of them are 9 or 10", "D"),
            "passives": Meaning("how many of them are 7 or 8", "D"),
            "detractors": Meaning("how many of them are 0 to 6", "D"),
            "response_rate": Meaning("percentage, a whole number; how it is worked out is not documented", "D"),
            "email_response_rate": Meaning("the same of surveys sent by e-mail", "D"),
        },
        "email_stats": {
            "date": Meaning(f"{_DAY.text}; with `source` the primary key", "D"),
            "source": Meaning("`all` e-mails, or where Wootric tells them `initial_send` or `reminder_send`", "D"),
            "send_date": Meaning("the day in words; null where nothing was sent", "D"),
            "send_requests": Meaning("how many e-mails were asked for, by its name", "-"),
            "emails_sent": Meaning("how many e-mails were sent", "D"),
            "delivered": Meaning("how many of them were delivered", "D"),
            "delivered_percentage": Meaning("the share of those delivered, a text such as `100.0%`", "D"),
            "bounce_rate": Meaning("the share of those that bounced", "D"),
            "bounce_rate_percentage": Meaning("the same as a text such as `0.0%`", "D"),
            "open_rate": Meaning("the share of those opened, a text such as `60%`", "D"),
            "response_rate": Meaning("the share of those answered, a text such as `0%`", "D"),
            "not_eligible": Meaning("how many were not to be sent, and their share, a text such as `2 (29%)`", "D"),
            "raw_results__processed": Meaning("how many e-mails were processed", "D"),
            "raw_results__bounce": Meaning("how many bounced", "D"),
            "raw_results__dropped": Meaning("how many were dropped", "D"),
            "raw_results__delivered": Meaning("how many were delivered", "D"),
            "raw_results__opted_out": Meaning("how many people had opted out", "D"),
            "raw_results__not_delivered": Meaning("how many were not delivered", "D"),
            "raw_results__open": Meaning("how many were opened", "D"),
            "raw_results__spamreport": Meaning("how many were reported as spam", "D"),
            "raw_results__not_eligible": Meaning("how many people were not eligible", "D"),
            "raw_results__total_surveys": Meaning("how many surveys were sent", "D"),
            "raw_results__total_responses": Meaning("how many responses came", "D"),
            "raw_results__start_date": Meaning(
                "when the day begins; null where nothing was sent. Wootric spells it `sart_date`", "D"
            ),
            "raw_results__end_date": Meaning("when the day ends; null where nothing was sent", "D"),
        },
        "email_sources": {
            "id": Meaning("`email_api`, `webhook_trigger`, or Wootric's number of a file; the primary key", "D"),
            "kind": Meaning("`ongoing`, or `sends` for files", "D"),
            "name": Meaning("the name of the source, or of the file", "D"),
            "date": Meaning("when the file was sent, a text such as `Jan 11, 2024  9:01AM`", "D"),
        },
    }
)


def descriptions(table: str) -> dict[str, str]:
    """What the columns of a table mean, in plain text."""
    return {name: meaning.text.replace("`", "") for name, meaning in COLUMN_DESCRIPTIONS.get(table, {}).items()}


def personal_columns(table: str) -> list[str]:
    """The columns and lists of a table that are known to be personal; what properties hold, only you know."""
    return [name for name, meaning in COLUMN_DESCRIPTIONS[table].items() if meaning.is_personal]
