from tasks.state import usage
from tasks.state.usage import StepUsage
from tasks.state.workspace import Workspace

FIRST = StepUsage(wall=2.0, cpu=3.0, gpu=1.0, sampled=10, trained=7, memory=500, gpu_memory=40)
SECOND = StepUsage(wall=0.5, cpu=0.25, gpu=0.0, sampled=5, trained=0, memory=900, gpu_memory=0)


def test_amounts_add_up_and_the_higher_peak_counts() -> None:
    both = StepUsage(wall=2.5, cpu=3.25, gpu=1.0, sampled=15, trained=7, memory=900, gpu_memory=40)
    assert FIRST.plus(SECOND) == both == usage.total([FIRST, SECOND])
    assert usage.total([]) == StepUsage()


def test_the_machine_is_the_later_one_and_is_not_forgotten() -> None:
    there = FIRST.model_copy(update={"machine": "gpu-1"})
    assert FIRST.plus(there).machine == there.plus(SECOND).machine == "gpu-1"
    assert there.plus(SECOND.model_copy(update={"machine": "gpu-2"})).machine == "gpu-2"


def test_what_was_counted_before_does_not_count_again() -> None:
    assert FIRST.plus(SECOND).without(FIRST) == SECOND.model_copy(update={"gpu_memory": 40})


def test_what_is_noted_is_read_and_replaces_what_was_noted_of_the_step(workspace: Workspace) -> None:
    assert usage.read(workspace) == {}
    usage.note(workspace, "collect", FIRST)
    usage.note(workspace, "ingest", FIRST)
    usage.note(workspace, "collect", SECOND)
    assert usage.read(workspace) == {"collect": SECOND, "ingest": FIRST}
