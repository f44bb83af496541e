"""An interrupt while the command starts is told in one sentence, however it is called."""

import signal
import sys
from pathlib import Path

import pytest

from tests.script import SCRIPT, Project

STOPPED = "Stopped; what was loaded before stays valid, and running again goes on from there.\n"
INSTALLED = (
    "import sys; sys.argv[0] = 'bin/wootric-pipeline'; from wootric_pipeline.command import main; sys.exit(main())"
)
SLOW_DLT = "import time; print(flush=True)\nfor _ in range(600): time.sleep(0.1)"


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
@pytest.mark.parametrize("words", [[str(SCRIPT)], ["-m", "wootric_pipeline"], ["-c", INSTALLED]])
def test_an_interrupt_while_dlt_is_imported_shows_no_traceback(words: list[str], tmp_path: Path) -> None:
    project = Project(tmp_path)
    # A dlt that is imported for ever, in place of the installed one.
    project.write("slow/dlt.py", SLOW_DLT)
    path = f"{tmp_path / 'slow'}:{project.environment['PYTHONPATH']}"
    with project.start(*words, "--demo", PYTHONPATH=path) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, stdout, stderr) == (1, "", STOPPED)


OWN = """
import signal
before = signal.getsignal(signal.SIGINT)
import wootric_pipeline
assert signal.getsignal(signal.SIGINT) is before
"""


def test_a_program_of_the_users_keeps_its_own_interrupts(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.write("own.py", OWN)
    assert project.python("own.py").stderr == ""
