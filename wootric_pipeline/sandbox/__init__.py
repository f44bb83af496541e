"""A Wootric look-alike on loopback: the demo account, and what the tests and other people's clients talk to.

Run it with `python -m wootric_pipeline.sandbox`; sign in with client_id `sandbox` and client_secret `sandbox`, or with
username `sandbox@example.com` and password `sandbox`. It serves the documented API: OAuth, `/v1/end_users`,
`/v1/responses` and `/v1/declines` with their filters, orders, defaults and caps, the overviews such as `/v1/segments`
and `/v1/nps_summary`, and, on request, what is uncertain about the real service and what goes wrong with any. Of the
loader it knows the names and the paths of tables only.
"""

from .account import SECOND, Account, Row
from .demo_account import DemoAccount
from .query import Behaviour, Query, Refused
from .server import CLIENT_ID, CLIENT_SECRET, PASSWORD, USERNAME, Request, Sandbox

__all__ = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "PASSWORD",
    "SECOND",
    "USERNAME",
    "Account",
    "Behaviour",
    "DemoAccount",
    "Query",
    "Refused",
    "Request",
    "Row",
    "Sandbox",
]
