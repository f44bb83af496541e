#!/usr/bin/env python
"""Loads a Wootric account into DuckDB, or wherever dlt's settings say; `--help` tells the options."""

import sys

try:
    # The package of the same name goes before this file wherever Python looks for it.
    from wootric_pipeline.command import main
except ModuleNotFoundError as error:
    if error.name != "dlt":
        raise
    print("dlt is not installed for this Python; `make demo` installs it for .venv/bin/python.", file=sys.stderr)
    sys.exit(2)

if __name__ == "__main__":
    sys.exit(main())
