"""TRL, which the learning engine is compared with. It is in a folder of its own, since it is no dependency."""

import importlib
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from datasets.utils.logging import disable_progress_bar
from transformers.utils import logging

from core.errors import NotInstalled

VERSION = "1.10.0"
"""The last release with PPO."""

PLAIN: Mapping[str, Any] = {
    "bf16": False,
    "use_cpu": True,
    "gradient_checkpointing": False,
    "report_to": "none",
    "save_strategy": "no",
    "disable_tqdm": True,
}
"""Settings of all trainers: float32 on a CPU, and nothing that is written or shown beside training."""

Row = TypeVar("Row", bound=tuple[Any, ...])
"""A measurement; its first fields are the shape, a setting, and the side."""


def find(folder: Path) -> None:
    """Let this process import TRL from a folder.

    Raises:
        NotInstalled: it is not there.
    """
    if not (folder / f"trl-{VERSION}.dist-info").is_dir():
        command = f"{sys.executable} -m pip install --no-deps --target {folder} trl=={VERSION}"
        raise NotInstalled(f"{folder} does not hold TRL {VERSION}; type: {command}")
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def load(module: str) -> Any:
    """A module of TRL, which has no types here."""
    return importlib.import_module(module)


def quiet() -> None:
    """One thread, and no progress bars or notes of libraries."""
    torch.set_num_threads(1)
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    disable_progress_bar()
    warnings.simplefilter("ignore", FutureWarning)


def compared(rows: Sequence[Row], sides: Sequence[str]) -> Iterator[tuple[list[Row], list[Row]]]:
    """The runs of a side of ours and of TRL with equal shape and setting; those at the same place alternated."""
    for key in dict.fromkeys(row[:2] for row in rows):
        theirs = [row for row in rows if row[:3] == (*key, "TRL")]
        for side in sides:
            mine = [row for row in rows if row[:3] == (*key, side)]
            if side != "TRL" and mine and theirs:
                yield mine, theirs
