"""Which kernels torch may use: those that give the same result each time, and faster ones that round more."""

import torch


def use(device: torch.device, deterministic: bool) -> None:
    """Set up this process for the models on a device.

    On a CPU only deterministic kernels are used, and float32 is float32. On a GPU, kernels may add up in another order
    each time, and the inputs of products of float32 matrices are rounded to 10 bits of mantissa (TF32, for the tensor
    cores).

    Args:
        device: where the models are.
        deterministic: on a GPU too, use only kernels that give the same result each time. A kernel without such a form
            warns.
    """
    gpu = device.type == "cuda"
    torch.use_deterministic_algorithms(deterministic or not gpu, warn_only=gpu)
    torch.backends.cuda.matmul.allow_tf32 = gpu
    torch.backends.cudnn.allow_tf32 = gpu
