"""A record of a round that never ran, for tests of code that reads records."""

from evaluation.verdict import Verdict
from tasks.state.inputs import Base, Inputs
from tasks.state.opening_facts import OpeningFacts
from tasks.state.records import RoundRecord

AT = "2026-11-21T08:00:00+00:00"


def record(number: int, version: str, verdict: Verdict) -> RoundRecord:
    """The record of a finished round without metrics."""
    base, code = Base(name="scratch", digest="scratch"), "0" * 16
    return RoundRecord(
        number=number,
        key=f"{number:016x}",
        parent=None,
        finished=AT,
        opened=OpeningFacts(request="", code=code, inputs="", at=AT, commit=None, dirty=False),
        experiment="1",
        run_id=f"{number:032x}",
        version=version,
        verdict=verdict,
        new_feedback=0,
        metrics={},
        times={},
        examples=(),
        inputs=Inputs(number=number, seed=7, salt="", base=base, code=code, feedback="", params={}),
    )
