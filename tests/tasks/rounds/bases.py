"""Small base models for tests of how bases are found and fetched, and a hub that has one of them."""

import shutil
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path

from core.errors import BadModel
from models.policy import ModelSettings, build
from tasks.rounds.fetching import Downloads
from tests.models.conftest import TEXTS

LIMITS = {"max_prompt_tokens": 16, "max_answer_tokens": 8}


def saved(folder: Path, width: int = 16) -> Path:
    """A base model of one layer with 24 positions."""
    shape = ModelSettings(
        width=width, layers=1, heads=2, feed_forward=32, vocabulary=300, max_prompt_tokens=16, max_answer_tokens=8
    )
    build(shape, TEXTS).save(folder)
    return folder


def no_package(requirement: str, into: Path) -> Path:
    """A package index that has nothing."""
    raise BadModel(f"there is no {requirement} in {into}")


class Hub:
    """A hub with one model, whose commit counts its changes."""

    def __init__(self, model: Path) -> None:
        self.model = model
        self.commit = 1
        self.asked: list[tuple[str, str | None]] = []

    def __call__(self, model: str, revision: str | None, patterns: Sequence[str], into: Path) -> str:
        """Copy the wanted files."""
        self.asked.append((model, revision))
        for file in self.model.iterdir():
            if any(fnmatch(file.name, pattern) for pattern in patterns):
                shutil.copyfile(file, into / file.name)
        return f"c{self.commit}"

    @property
    def downloads(self) -> Downloads:
        """What reaches this hub only."""
        return Downloads(hub=self, package=no_package)
