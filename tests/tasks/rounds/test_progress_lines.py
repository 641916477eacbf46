"""Progress as lines of a log, by a clock that a test sets."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from feedback.measured import INGEST_NEW
from tasks.rounds.progress_lines import Clock, ProgressLines, numbers


class Standing(Clock):
    """A clock that goes on when it is told to; it starts at noon."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def pass_by(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


def test_a_step_has_a_line_at_its_end() -> None:
    written: list[str] = []
    clock = Standing()
    lines = ProgressLines(written.append, clock)
    lines("round 1, curate", "curate")
    clock.pass_by(3)
    lines("round 1, reward", "reward")({"loss": 0.25, "grad_norm": 1.0}, 0, 10)
    clock.pass_by(64)
    lines.end()
    assert written == [
        "12:00:03 round 1, curate: took 3 s",
        "12:01:07 round 1, reward: took 1 min 4 s; loss 0.25",
    ]


def test_a_step_that_works_has_at_most_one_line_a_minute_with_numbers_and_expected_end() -> None:
    written: list[str] = []
    clock = Standing()
    log = ProgressLines(written.append, clock)("round 1, policy", "policy")
    for step in range(40):  # ten seconds each
        log({"objective/kl": step / 10, "objective/entropy": 1.0}, step, 40)
        clock.pass_by(10)
    between = written
    assert len(between) == 6
    assert between[0] == "12:01:00 round 1, policy: 7 of 40, expected end 12:06:30; kl 0.6"
    times = [datetime.strptime(line.split()[0], "%H:%M:%S") for line in between]
    assert min(later - earlier for earlier, later in pairwise(times)) >= timedelta(minutes=1)
    assert {line.split("expected end ")[1][:8] for line in between} == {"12:06:30"}


def test_a_continued_training_is_not_expected_to_end_sooner_for_what_was_done_before() -> None:
    written: list[str] = []
    clock = Standing()
    log = ProgressLines(written.append, clock)("round 1, policy", "policy")
    log({}, 30, 40)
    clock.pass_by(60)
    log({}, 31, 40)
    assert written[-1] == "12:01:00 round 1, policy: 32 of 40, expected end 12:09:00"


def test_a_step_that_was_done_before_says_so_once() -> None:
    written: list[str] = []
    lines = ProgressLines(written.append, Standing())
    lines("round 1, sft", "sft")({}, 0, 0)
    lines.end()
    assert written == ["12:00:00 round 1, sft: done before"]


def test_a_step_that_fails_is_not_called_finished() -> None:
    written: list[str] = []
    lines = ProgressLines(written.append, Standing())
    lines("round 1, sft", "sft")
    lines.end("stopped after")
    assert written == ["12:00:00 round 1, sft: stopped after 0 s"]


def test_whole_numbers_are_written_out() -> None:
    assert numbers("ingest", {INGEST_NEW: 10_000.0}) == "new 10,000"
