from typing import Any

from tasks.rounds.plan import PlannedStep, foresee
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


def does(found: list[PlannedStep]) -> list[str]:
    return [one.does for one in found]


def test_nothing_changed_nothing_runs() -> None:
    assert does(foresee(GRAPH, recorded(inputs()), inputs(), {})) == ["skip"] * 4


def test_a_step_whose_input_may_come_out_the_same_depends() -> None:
    found = foresee(GRAPH, recorded(inputs()), inputs(number=2), {})
    assert does(found) == ["run", "depends", "depends", "skip"]
    assert found[0].because == ("number: 1 → 2",)
    assert found[1].because == ("runs if curate writes something else than last time",)


def test_a_changed_knob_is_named() -> None:
    found = foresee(GRAPH, recorded(inputs()), inputs(epochs=5), {})
    assert does(found) == ["skip", "run", "depends", "skip"]
    assert found[1].because == ("params.sft.epochs: 3 → 5",)


def test_another_champion_and_a_missing_output_are_reasons() -> None:
    moved = {
        "data/champion": "the champion is policy/3, was policy/2",
        "data/drift.json": "data/drift.json is not there",
    }
    found = foresee(GRAPH, recorded(inputs()), inputs(), moved)
    assert does(found) == ["skip", "skip", "run", "run"]
    assert found[2].because == (moved["data/champion"],)


def test_what_never_ran_runs() -> None:
    assert does(foresee(GRAPH, {}, inputs(), {})) == ["run"] * 4
