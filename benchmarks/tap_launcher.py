"""Starts tap-wootric at another address than Wootric's own, for which it has no setting; nothing else is changed.

`tap` has the Python of the tap's environment run it: `tap_launcher.py BASE_URL [options of tap-wootric]`.
"""

import importlib
import sys
from typing import Any

if __name__ == "__main__":
    base_url = sys.argv.pop(1)
    tap: Any = importlib.import_module("tap_wootric")
    tap.BASE_URL = f"{base_url}/v1/"
    post = tap.requests.post
    tap.requests.post = lambda url, **form: post(url.replace("https://api.wootric.com", base_url), **form)
    tap.main()
