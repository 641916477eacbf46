"""Near copies of held-out prompts, whatever groups they are in: they are kept out of training.

Near-identical prompts are in one group and so in one split, with two exceptions: a trusted record may state a group,
and a prompt that is near two known groups joins one of them only.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from feedback.groups import THRESHOLD, opening
from feedback.items import is_item
from feedback.schema import Role
from feedback.similarity import near_any
from feedback.split import SplitName


class _Turn(NamedTuple):
    role: Role
    content: str


class PromptOfRow(Protocol):
    """A row of training or held-out data."""

    @property
    def group(self) -> str:
        """Its prompt group."""

    @property
    def split(self) -> SplitName:
        """The split of the group."""

    @property
    def prompt(self) -> Sequence[Mapping[str, str]]:
        """Turns as `{role, content}`."""


class NearCopies:
    """The training prompts that are near-identical to a held-out one."""

    def __init__(self, prompts: Iterable[PromptOfRow]) -> None:
        rows = [(row, words(row.prompt)) for row in prompts if not is_item(row.group)]
        held_out = {text for row, text in rows if row.split == "holdout"}
        self._texts = near(held_out, {text for row, text in rows if row.split != "holdout"})
        self.count = sum(row.split != "holdout" and text in self._texts for row, text in rows)
        """Number of training prompts."""

    def has(self, row: PromptOfRow) -> bool:
        """Whether a row is one of training and its prompt such a copy.

        A fixed prompt is in several splits by intention (`feedback.items`).
        """
        if not self._texts or row.split == "holdout" or is_item(row.group):
            return False
        return words(row.prompt) in self._texts


def words(prompt: Iterable[Mapping[str, str]]) -> str:
    """The text by which prompts are compared, see `feedback.groups.opening`."""
    return opening([_Turn(_ROLES[turn["role"]], turn["content"]) for turn in prompt])


_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


def near(protected: Iterable[str], texts: Iterable[str]) -> set[str]:
    """Those of `texts` that are equal or near-identical to one of `protected`."""
    given, others = sorted(set(texts)), sorted(set(protected))
    copies = {given[ix] for ix in near_any(given, others, THRESHOLD)}
    return copies | (set(given) & set(others))
