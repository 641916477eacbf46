"""Near copies across the holdout, whatever groups they are in: no prompt is trained on that another one holds out.

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


class _Row(Protocol):
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


class PromptOfRow(_Row, Protocol):
    """A prompt with its id."""

    @property
    def prompt_id(self) -> str:
        """Identifies the prompt."""


class NearCopies:
    """The prompts that are near-identical to one on the other side of the holdout, and that are left out for it.

    Of such a pair the prompt that arrived in a later round is left out, and of the same round the training prompt. So
    a prompt that arrives later never removes one that is there.
    """

    def __init__(self, prompts: Iterable[PromptOfRow], rounds: Mapping[str, int]) -> None:
        """Search once.

        Args:
            prompts: all prompts of all splits.
            rounds: the round of the first event of each prompt id (`feedback.votes.first_rounds`).
        """
        training: dict[str, int] = {}
        held_out: dict[str, int] = {}
        rows = [(row, words(row.prompt)) for row in prompts if not is_item(row.group)]
        for row, text in rows:
            side = held_out if row.split == "holdout" else training
            side[text] = min(rounds[row.prompt_id], side.get(text, rounds[row.prompt_id]))
        self._training, self._held_out = _later(training, held_out)
        self.count = sum(text in self._left_out(row.split) for row, text in rows)
        """Number of prompts that are left out."""

    def has(self, row: _Row) -> bool:
        """Whether a row is left out because of its prompt.

        A fixed prompt is in several splits by intention (`feedback.items`).
        """
        left_out = self._left_out(row.split)
        return bool(left_out) and not is_item(row.group) and words(row.prompt) in left_out

    def _left_out(self, split: SplitName) -> set[str]:
        return self._held_out if split == "holdout" else self._training


def _later(training: Mapping[str, int], held_out: Mapping[str, int]) -> tuple[set[str], set[str]]:
    """The training texts and the held-out texts that are left out; both are given with their rounds."""
    copies = {text: training[text] for text in near(held_out, training)}
    copied = {text: held_out[text] for text in near(copies, held_out)}
    left_out: tuple[set[str], set[str]] = set(), set()
    for number in sorted({*copies.values(), *copied.values()}):
        earlier = {text for text, round in copies.items() if round < number} - left_out[0]
        left_out[1].update(near(earlier, _of(copied, number)))
        present = {text for text, round in copied.items() if round <= number} - left_out[1]
        left_out[0].update(near(present, _of(copies, number)))
    return left_out


def _of(texts: Mapping[str, int], number: int) -> set[str]:
    return {text for text, round in texts.items() if round == number}


def words(prompt: Iterable[Mapping[str, str]]) -> str:
    """The text by which prompts are compared, see `feedback.groups.opening`."""
    return opening([_Turn(_ROLES[turn["role"]], turn["content"]) for turn in prompt])


_ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant"}


def near(protected: Iterable[str], texts: Iterable[str]) -> set[str]:
    """Those of `texts` that are equal or near-identical to one of `protected`."""
    given, others = sorted(set(texts)), sorted(set(protected))
    copies = {given[ix] for ix in near_any(given, others, THRESHOLD)}
    return copies | (set(given) & set(others))
