from pathlib import Path

import pytest
import torch

from models import checkpoints as module
from models.checkpoints import Checkpoints


def test_without_a_saved_state_nothing_is_loaded(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "state", "round-1").load() is None


def test_a_saved_state_is_loaded_unchanged(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "state", "round-1")
    checkpoints.save({"step": 3, "pair": (0.9, 0.999), "list": [None, True], "by": {7: {"w": torch.arange(3)}}})
    state = checkpoints.load()
    assert state is not None
    assert torch.equal(state["by"][7].pop("w"), torch.arange(3))
    assert state == {"step": 3, "pair": (0.9, 0.999), "list": [None, True], "by": {7: {}}}


def test_tied_and_transposed_tensors_are_restored(tmp_path: Path) -> None:
    weight = torch.randn(2, 3)
    checkpoints = Checkpoints(tmp_path / "state", "k")
    checkpoints.save({"embed": weight, "head": weight, "turned": weight.T})
    state = checkpoints.load()
    assert state is not None
    assert torch.equal(state["head"], weight)
    assert torch.equal(state["turned"], weight.T)


def test_an_optimiser_continues_from_its_state(tmp_path: Path) -> None:
    def step(weight: torch.nn.Parameter, optimiser: torch.optim.Optimizer) -> None:
        optimiser.zero_grad()
        torch.autograd.backward(weight.square().sum())
        optimiser.step()

    weight = torch.nn.Parameter(torch.ones(3))
    optimiser = torch.optim.AdamW([weight], lr=0.1)
    step(weight, optimiser)
    checkpoints = Checkpoints(tmp_path / "state", "k")
    checkpoints.save({"weight": weight, "optimiser": optimiser.state_dict()})
    step(weight, optimiser)

    state = checkpoints.load()
    assert state is not None
    other = torch.nn.Parameter(state["weight"])
    restored = torch.optim.AdamW([other], lr=0.5)
    restored.load_state_dict(state["optimiser"])
    step(other, restored)
    assert torch.equal(other, weight)


def test_only_the_latest_state_is_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "state", "k")
    checkpoints.save({"step": 1})
    checkpoints.save({"step": 2})
    assert checkpoints.load() == {"step": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


def test_the_state_of_another_run_is_not_loaded(tmp_path: Path) -> None:
    Checkpoints(tmp_path / "state", "round-1").save({"step": 1})
    assert Checkpoints(tmp_path / "state", "round-2").load() is None


def test_a_kill_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "state", "k")
    checkpoints.save({"step": 1})
    checkpoints.folder.rename(tmp_path / ".state.old")
    assert checkpoints.load() == {"step": 1}


def test_a_leaf_that_is_neither_tensor_nor_plain_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"/optimiser/hook.*function"):
        Checkpoints(tmp_path / "state", "k").save({"optimiser": {"hook": lambda: None}})


@pytest.mark.parametrize("pattern", ["*.safetensors", "state.json"])
@pytest.mark.parametrize("kept", [0.0, 0.5, None])
def test_a_damaged_or_lost_file_loads_as_none(tmp_path: Path, pattern: str, kept: float | None) -> None:
    checkpoints = Checkpoints(tmp_path / "state", "k")
    checkpoints.save({"weight": torch.ones(3)})
    [file] = checkpoints.folder.glob(pattern)
    content = file.read_bytes()
    file.unlink()
    if kept is not None:
        file.write_bytes(content[: int(kept * len(content))])
    assert checkpoints.load() is None


def test_one_of_several_files_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FILE", 40)
    checkpoints = Checkpoints(tmp_path / "state", "k")
    weights = {
        "one": torch.ones(3),
        "two": torch.full((4,), 2.0),
        "three": torch.full((20,), 3.0),
        "four": torch.ones(1),
    }
    checkpoints.save(weights)
    files = sorted(checkpoints.folder.glob("*.safetensors"))
    assert len(files) == 3  # 12 + 16 bytes, 80 bytes, 4 bytes
    state = checkpoints.load()
    assert state is not None
    assert all(torch.equal(state[name], weight) for name, weight in weights.items())
    files[1].unlink()
    assert checkpoints.load() is None
