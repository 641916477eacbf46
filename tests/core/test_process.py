"""What a process sets: log records and tracebacks as they are shown."""

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.process import prepare

HOSTILE = "\x1b]0;x\x07 \u202e https://ana:S3cretword@host/"
SHOWN = "\\x1b]0;x\\x07 \\u202e https://ana:***@host/"


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    factory, umask = logging.getLogRecordFactory(), os.umask(0o022)
    prepare()
    yield
    logging.setLogRecordFactory(factory)
    os.umask(umask)


def test_log_records_are_shown_on_every_handler(prepared: None) -> None:
    stream = io.StringIO()
    logger, handler = logging.getLogger("rounds.test"), logging.StreamHandler(stream)
    logger.addHandler(handler)
    try:
        try:
            raise ValueError(HOSTILE)
        except ValueError:
            logger.exception("failed: %s", HOSTILE)
    finally:
        logger.removeHandler(handler)
    assert f"failed: {SHOWN}" in stream.getvalue()
    assert f"ValueError: {SHOWN}" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_new_files_are_private(prepared: None, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_traceback_of_a_bug_is_shown() -> None:
    code = f"from core.process import prepare; prepare(); raise ValueError({HOSTILE!r})"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == f"ValueError: {SHOWN}"
