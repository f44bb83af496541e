"""The command: its arguments, a run, its report, and failures in sentences."""

from .cli import main

__all__ = ["main"]
