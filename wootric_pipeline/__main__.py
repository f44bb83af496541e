"""The command as `python -m wootric_pipeline`."""

import sys

from .command import main

if __name__ == "__main__":
    sys.exit(main())
