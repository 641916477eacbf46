import torch

from models.compute import chosen, computing, torch_type


def test_auto_is_one_of_the_two_types_and_others_stay() -> None:
    assert chosen("auto") in ("float32", "bfloat16")
    assert (chosen("float32"), chosen("bfloat16")) == ("float32", "bfloat16")
    assert (torch_type("float32"), torch_type("bfloat16")) == (torch.float32, torch.bfloat16)


def test_matrices_are_multiplied_in_the_chosen_type() -> None:
    matrix, cpu = torch.eye(2), torch.device("cpu")
    with computing(cpu, "bfloat16"):
        assert (matrix @ matrix).dtype == torch.bfloat16
    with computing(cpu, "float32"):
        assert (matrix @ matrix).dtype == torch.float32
