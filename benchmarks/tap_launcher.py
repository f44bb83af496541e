"""Starts tap-wootric at another address than Wootric's own, for which it has no setting; nothing else is changed.

Run by `tap` with the Python of the tap's environment: `tap_launcher.py BASE_URL [options of tap-wootric]`.
"""

import importlib
import sys
from typing import Any

OWN_URL = "https://api.wootric.com"


def main() -> None:
    """Points the tap's lists and its token request at the address given, then runs the tap."""
    base_url = sys.argv.pop(1)
    tap: Any = importlib.import_module("tap_wootric")
    tap.BASE_URL = f"{base_url}/v1/"
    post = tap.requests.post
    tap.requests.post = lambda url, **arguments: post(url.replace(OWN_URL, base_url), **arguments)
    tap.main()


if __name__ == "__main__":
    main()
