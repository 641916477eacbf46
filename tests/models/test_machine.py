from pathlib import Path

from models.machine import CONTEXT, Machine, limits, machine


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
