"""TRL, which the learning engine is compared with. It is in a folder of its own, since it is no dependency."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from core.errors import NotInstalled

VERSION = "1.10.0"
"""The last release with PPO."""


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
