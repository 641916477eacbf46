"""Prompts that the chat template of a base model refuses, for example because they have two system turns."""

from collections.abc import Sequence

from core.errors import BadFeedback
from models import tokenizer as tokenizers
from models.policy import SCRATCH, ModelSettings
from models.tokens import Turn, encode_prompts


class Template:
    """The chat template of a base model. It is asked once for each order of roles; a new model takes all orders."""

    def __init__(self, base: ModelSettings) -> None:
        self._base = base
        self._tokenizer = None if base.base == SCRATCH else tokenizers.load(base.base)
        self._reasons: dict[tuple[str, ...], str | None] = {}

    def refusal(self, prompt: Sequence[Turn]) -> str | None:
        """Why the template refuses the turns of a prompt; None if it takes them."""
        roles = tuple(turn["role"] for turn in prompt)
        if roles not in self._reasons:
            self._reasons[roles] = self._ask(prompt)
        return self._reasons[roles]

    def _ask(self, prompt: Sequence[Turn]) -> str | None:
        if self._tokenizer is None:
            return None
        try:
            encode_prompts(self._tokenizer, [prompt], self._base.max_prompt_tokens)
        except BadFeedback as error:
            return f"{error} (model.base={self._base.base})"
        return None
