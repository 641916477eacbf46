"""The ids under which prompts are stored: a prompt that is stored keeps its id, whichever schema version made it.

Version 1 gave "2²?" and "22?" one id, that of "22?". In a store where "2²?" has it, a later "2²?" gets the same, and
a later "22?" gets another one: its own is taken by a prompt of another meaning.
"""

from collections.abc import Iterable

from feedback.schema import FeedbackEvent, GroupedPrompt, distinct_id, prompt_id
from feedback.stored import StoredPrompt


class PromptIds:
    """The ids of stored prompts, and of those that are added."""

    def __init__(self, stored: Iterable[GroupedPrompt | StoredPrompt] = ()) -> None:
        """Take the ids of stored prompts, given in the order of their arrival; an id may have several texts."""
        self._ids: dict[str, str] = {}
        self._taken: set[str] = set()
        for entry in stored:
            self._ids.setdefault(prompt_id(entry.prompt), entry.prompt_id)
            self._taken.add(entry.prompt_id)

    def resolved(self, event: FeedbackEvent) -> FeedbackEvent:
        """The event with the id under which its prompt is stored. A group that nobody has stated follows the id."""
        identity = self._id(event)
        if identity == event.prompt_id:
            return event
        group = identity if event.prompt_group == event.prompt_id else event.prompt_group
        return event.model_copy(update={"prompt_id": identity, "prompt_group": group})

    def _id(self, event: FeedbackEvent) -> str:
        own = prompt_id(event.prompt)
        if own not in self._ids:
            self._ids[own] = distinct_id(event.prompt) if own in self._taken else own
        return self._ids[own]
