from pathlib import Path

import pytest
import torch

from models.checkpoints import Checkpoints


def test_nothing_kept_is_nothing_loaded(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "state", "round-1").load() is None


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "state", "round-1")
    kept.save({"step": 3, "pair": (0.9, 0.999), "list": [None, True], "by": {7: {"w": torch.arange(3)}}})
    state = kept.load()
    assert state is not None
    assert torch.equal(state["by"][7].pop("w"), torch.arange(3))
    assert state == {"step": 3, "pair": (0.9, 0.999), "list": [None, True], "by": {7: {}}}


def test_tied_and_transposed_tensors_come_back(tmp_path: Path) -> None:
    weight = torch.randn(2, 3)
    kept = Checkpoints(tmp_path / "state", "k")
    kept.save({"embed": weight, "head": weight, "turned": weight.T})
    state = kept.load()
    assert state is not None
    assert torch.equal(state["head"], weight)
    assert torch.equal(state["turned"], weight.T)


def test_an_optimiser_goes_on_where_it_was(tmp_path: Path) -> None:
    def step(weight: torch.nn.Parameter, optimiser: torch.optim.Optimizer) -> None:
        optimiser.zero_grad()
        torch.autograd.backward(weight.square().sum())
        optimiser.step()

    weight = torch.nn.Parameter(torch.ones(3))
    optimiser = torch.optim.AdamW([weight], lr=0.1)
    step(weight, optimiser)
    kept = Checkpoints(tmp_path / "state", "k")
    kept.save({"weight": weight, "optimiser": optimiser.state_dict()})
    step(weight, optimiser)

    state = kept.load()
    assert state is not None
    other = torch.nn.Parameter(state["weight"])
    restored = torch.optim.AdamW([other], lr=0.5)
    restored.load_state_dict(state["optimiser"])
    step(other, restored)
    assert torch.equal(other, weight)


def test_the_last_state_counts(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "state", "k")
    kept.save({"step": 1})
    kept.save({"step": 2})
    assert kept.load() == {"step": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_the_state_of_another_run_is_not_loaded(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "state", "round-1").save({"step": 1})
    assert Checkpoints(tmp_path / "state", "round-2").load() is None


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "state", "k")
    kept.save({"step": 1})
    kept.folder.rename(tmp_path / ".state.old")
    assert kept.load() == {"step": 1}


def test_what_is_neither_tensor_nor_plain_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="/optimiser/hook is a function"):
        Checkpoints(tmp_path / "state", "k").save({"optimiser": {"hook": lambda: None}})


@pytest.mark.parametrize("file", ["tensors.safetensors", "state.json"])
def test_a_state_that_is_not_whole_is_none(tmp_path: Path, file: str) -> None:
    kept = Checkpoints(tmp_path / "state", "k")
    kept.save({"weight": torch.ones(3)})
    content = (kept.folder / file).read_bytes()
    (kept.folder / file).write_bytes(content[: len(content) // 2])
    assert kept.load() is None
