"""A lock on a file that the operating system takes away from a process however that ends.

The lock is one of `fcntl.lockf`, not of the package filelock, which uses `flock`: that is handed down to forked child
processes, and those of a run that was killed would keep it as long as they live. It keeps other processes off, not
other threads, and is lost when this process closes the same file elsewhere.
"""

import sys
from typing import IO

if sys.platform == "win32":
    import msvcrt

    def try_lock(file: IO[str]) -> bool:
        """Whether the lock is had, from now on until the file is closed; it does not wait for it."""
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
else:
    import fcntl

    def try_lock(file: IO[str]) -> bool:
        """Whether the lock is had, from now on until the file is closed; it does not wait for it."""
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return False
        return True
