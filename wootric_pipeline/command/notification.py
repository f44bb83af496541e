"""Tells a webhook of runs that fail, of the first that is complete again, and of new columns, in a sentence each."""

import threading
from urllib.parse import urlsplit

import requests
from dlt.sources.helpers.requests import Client

from ..errors import ConfigurationError
from .report import new_columns
from .run import Run

SLACK = "hooks.slack.com"
SECONDS_MAX = 40
"""All in all."""
TIMEOUT_SECONDS = 10
ATTEMPTS = 3
ATTEMPT_DELAY_SECONDS_MAX = 5
FIRST_REDIRECTION = 300
"""Status codes from here on are none of success."""


def checked_url(url: str) -> str:
    """The setting `notify_url`.

    Raises:
        ConfigurationError: It is no address. It may hold a secret, so it is not repeated.
    """
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError("notify_url must be an address that begins with https:// or http://.")
    return url.strip()


def sentences(run: Run, *, place: str, sentence: str, failed_before: bool) -> dict[str, str]:
    """What there is to tell of a run, by kind of event.

    Args:
        run: Which.
        place: Where it loads to, in words.
        sentence: Why it failed; empty if it did not.
        failed_before: Whether the run before did.
    """
    told = {}
    if sentence:
        told["failure"] = f"Wootric into {place}: the run failed. {sentence}"
    elif failed_before:
        told["recovery"] = f"Wootric into {place}: the run is complete again."
    # Of a first load, all columns are new.
    is_first = not any(notes.cursor_before for notes in run.tables.values())
    if run.schema_changes and not is_first:
        told["schema_change"] = f"Wootric into {place}: new columns {new_columns(run.schema_changes)}."
    return told


def notify(run: Run, url: str, told: dict[str, str]) -> None:
    """Sends sentences; that they cannot be sent, or not soon, is a warning."""
    reasons: list[str] = []
    # A server that trickles its answer keeps to all limits of single reads.
    sending = threading.Thread(target=_send, args=(url, told, reasons), daemon=True)
    sending.start()
    sending.join(SECONDS_MAX)
    if sending.is_alive():
        reasons.append(f"no answer in {SECONDS_MAX} s")
    for reason in dict.fromkeys(reasons):
        run.warn(f"The address in notify_url could not be told of this run ({reason}).")


def _send(url: str, told: dict[str, str], reasons: list[str]) -> None:
    client = Client(
        request_timeout=TIMEOUT_SECONDS,
        raise_for_status=False,
        request_max_attempts=ATTEMPTS,
        request_max_retry_delay=ATTEMPT_DELAY_SECONDS_MAX,
    )
    for event, text in told.items():
        # Slack takes nothing else.
        content = {"text": text} if urlsplit(url).hostname == SLACK else {"event": event, "text": text}
        try:
            # Of the answer, nothing but its status is read.
            with client.post(url, json=content, allow_redirects=False, stream=True) as response:
                if response.status_code >= FIRST_REDIRECTION:
                    reasons.append(f"status {response.status_code}")
        except requests.RequestException as error:
            # What it says would repeat the address.
            reasons.append(type(error).__name__)
