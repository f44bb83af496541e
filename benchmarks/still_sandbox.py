"""Serves a demo account of a size in which nothing ever changes, until stopped: `still_sandbox.py ROWS`.

A process of its own for benchmarks that measure the loader's memory. Its first line is its address.
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from wootric_pipeline.account import DemoAccount
from wootric_pipeline.sandbox import Sandbox


def main() -> None:
    """A quarter of the rows are end users, a half responses, a quarter declines."""
    rows = int(sys.argv[1])
    account = DemoAccount(int(time.time()), end_users=rows // 4, responses=rows // 2, declines=rows // 4)
    sandbox = Sandbox(account)
    print(sandbox.url, flush=True)
    sandbox.serve_forever()


if __name__ == "__main__":
    main()
