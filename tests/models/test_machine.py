from pathlib import Path

import pytest
import torch

from models.machine import CONTEXT, Machine, forget_gpu_peak, gpu_peak, gpus, limits, machine


def test_a_limit_is_a_number_in_a_file(tmp_path: Path) -> None:
    limited, unlimited = tmp_path / "limited", tmp_path / "unlimited"
    limited.write_text("2147483648\n")
    unlimited.write_text("max\n")
    assert limits((limited, unlimited, tmp_path / "missing")) == [2**31]


def test_models_are_in_the_memory_of_the_gpu_if_there_is_one() -> None:
    assert Machine(8, None).for_models == 8
    assert Machine(8, CONTEXT + 5).for_models == 5


def test_this_machine_has_memory() -> None:
    assert machine().memory > 2**28


def test_without_a_gpu_its_memory_has_no_peak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    forget_gpu_peak()
    assert (gpus(), gpu_peak()) == (0, 0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_peak_of_the_gpu_is_that_since_it_was_forgotten() -> None:
    block = torch.zeros(2**26, device="cuda")  # 256 MiB
    del block
    assert (gpus(), gpu_peak() >= 2**28) == (1, True)
    forget_gpu_peak()
    assert gpu_peak() < 2**28
