"""A thread that looks again and again."""

import threading

import pytest

from core.errors import BadParams
from serving import repeating
from serving.errors import ApiError
from serving.repeating import Repeating
from tests.serving.served import until


class Looks(Repeating):
    """Every look fails with the next error, and then none."""

    def __init__(self, every: float, *errors: Exception) -> None:
        super().__init__("looks", every, "nothing was done")
        self.errors, self.count = list(errors), 0

    def look(self) -> int:
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)
        return 0


def test_the_thread_says_what_is_wrong_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    looks = Looks(0.01, ApiError(503, "no database"), BadParams("no such knob"), ValueError("a bug"))
    looks.start()
    until(lambda: looks.count > 4)
    looks.close()
    assert "looks" not in {thread.name for thread in threading.enumerate()}
    said = [record.message for record in caplog.records if record.name == repeating.__name__]
    assert said == [
        "nothing was done: no database",
        "nothing was done: no such knob",
        "nothing was done",
    ]
    assert "ValueError: a bug" in caplog.text


def test_it_ends_at_once_however_long_it_waits() -> None:
    looks = Looks(3600)
    looks.start()
    until(lambda: looks.count == 1)
    looks.close()
    assert looks.count == 1
