from typing import Any

from tasks.rounds.plan import PlannedStep, planned_steps
from tasks.state.inputs import Base, Inputs


def stage(params: list[str], deps: list[str], *outs: Any) -> dict[str, Any]:
    return {"params": [{"data/round.yaml": params}], "deps": deps, "outs": list(outs)}


GRAPH = {
    "curate": stage(["number"], ["data/feedback"], "data/rows"),
    "sft": stage(["params.sft"], ["data/rows"], {"data/sft": {"cache": False}}),
    "policy": stage(["params.policy"], ["data/sft", "data/champion"], "data/policy"),
    "drift": stage(["params.drift"], ["data/previous"], "data/drift.json"),
}


def inputs(number: int = 1, epochs: int = 3) -> Inputs:
    base, params = Base(name="scratch", digest="scratch"), {"sft": {"epochs": epochs}, "policy": {"kl": 0.3}}
    return Inputs(
        number=number, seed=7, salt="", base=base, code="", feedback="", params=params | {"drift": {"bins": 10}}
    )


def recorded(values: Inputs) -> dict[str, Any]:
    sections = {f"params.{name}": knobs for name, knobs in values.params.items()}
    known = {"number": values.number, **sections}
    return {
        name: {"params": {"data/round.yaml": {key: known[key] for key in stage["params"][0]["data/round.yaml"]}}}
        for name, stage in GRAPH.items()
    }


def does(steps: list[PlannedStep]) -> list[str]:
    return [step.does for step in steps]


def test_without_changes_no_step_runs() -> None:
    assert does(planned_steps(GRAPH, recorded(inputs()), inputs(), {})) == ["skip"] * 4


def test_a_step_depends_if_an_earlier_step_that_writes_its_input_runs() -> None:
    steps = planned_steps(GRAPH, recorded(inputs()), inputs(number=2), {})
    assert does(steps) == ["run", "depends", "depends", "skip"]
    assert steps[0].because == ("number: 1 → 2",)
    assert [("curate" in reason) for reason in steps[1].because] == [True]


def test_a_changed_knob_is_named() -> None:
    steps = planned_steps(GRAPH, recorded(inputs()), inputs(epochs=5), {})
    assert does(steps) == ["skip", "run", "depends", "skip"]
    assert steps[1].because == ("params.sft.epochs: 3 → 5",)


def test_a_new_champion_and_a_missing_output_are_reasons() -> None:
    changed_paths = {
        "data/champion": "the champion is policy/3, was policy/2",
        "data/drift.json": "data/drift.json is missing",
    }
    steps = planned_steps(GRAPH, recorded(inputs()), inputs(), changed_paths)
    assert does(steps) == ["skip", "skip", "run", "run"]
    assert steps[2].because == (changed_paths["data/champion"],)


def test_steps_that_have_never_run_will_run() -> None:
    assert does(planned_steps(GRAPH, {}, inputs(), {})) == ["run"] * 4
