"""Groups of items, for feedback whose records share one fixed prompt: "Summarise the text.", or no prompt of its own.

A split by prompt would put all such records on one side. They are grouped by their answers instead: records with
near-identical answers form an item.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from feedback import store
from feedback.similarity import near_links
from feedback.stored import Event, EventsWith, StoredEvent
from feedback.unicode_forms import compatible

PREFIX = "item-"
MIN_ITEMS = 20
"""Records with different answers that a prompt needs to count as fixed."""
SHARE = 0.5
"""Share of a source's records that a prompt needs to count as fixed."""
THRESHOLD = 0.85
"""Jaccard similarity of words and word pairs from which two answers are near-identical; as for prompts."""


def is_item(group: str) -> bool:
    """Whether a group is one of items: records of one prompt can be in different ones."""
    return group.startswith(PREFIX)


def group_of(event: Event, frozen: Mapping[str, str]) -> str:
    """The group of an event: that of its item if the prompt is fixed, else the one that `frozen` has for its prompt."""
    group = frozen[event.prompt_id]
    return event.prompt_group if is_item(group) and is_item(event.prompt_group) else group


def stored(folder: Path, prompts: Collection[str]) -> list[StoredEvent]:
    """The stored events with these prompt ids, in the order of their arrival."""
    return [event for event in store.stored(folder) if event.prompt_id in prompts]


class FixedPrompts:
    """Finds the prompts that most records of a source share, from events that are counted one by one."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def add(self, event: Event) -> None:
        """Count an event by source and prompt."""
        self._counts[event.source][event.prompt_id] += 1

    def ids(self, known: Mapping[str, str], events: EventsWith) -> set[str]:
        """The ids of the fixed prompts; `events` returns the counted events with given prompts.

        A prompt that is already stored stays as it is: `known` maps prompt ids to their groups.
        """
        settled = {prompt for counts in self._counts.values() for prompt in counts if is_item(known.get(prompt, ""))}
        frequent = {
            (source, prompt)
            for source, counts in self._counts.items()
            for prompt, count in counts.items()
            if count >= MIN_ITEMS and count >= SHARE * counts.total() and prompt not in known
        }
        return settled | (_with_different_answers(events({prompt for _, prompt in frequent}), frequent))


def _with_different_answers(events: Iterable[Event], frequent: Collection[tuple[str, str]]) -> set[str]:
    """The prompts that have enough different answers in one source."""
    answers: defaultdict[tuple[str, str], set[tuple[str, ...]]] = defaultdict(set)
    for event in events:
        if (event.source, event.prompt_id) in frequent and event.prompt_group == event.prompt_id:
            texts = tuple(sorted(response.text for response in event.responses))
            answers[event.source, event.prompt_id].add(texts)
    return {prompt for (_, prompt), texts in answers.items() if len(texts) >= MIN_ITEMS}


def by_item(events: Sequence[Event], before: Sequence[Event] = ()) -> list[str]:
    """The group of the item of each event; all must have fixed prompts.

    An event joins the item of the first event in `before`, those stored earlier, with a near-identical answer.
    """
    return _item_groups([*before, *events], [event.prompt_group for event in before])[len(before) :]


def _item_groups(events: Sequence[Event], settled: Sequence[str]) -> list[str]:
    """The item of each event; those of the first events are settled."""
    texts = {text: ix for ix, text in enumerate(dict.fromkeys(text for event in events for text in _answers(event)))}
    own = [[texts[text] for text in _answers(event)] for event in events]
    labels = _labels(list(texts), own)
    named: dict[int, str] = {}
    for group, answers in zip(settled, own, strict=False):
        named.setdefault(labels[answers[0]], group)
    smallest: dict[int, str] = {}
    for text, ix in texts.items():
        smallest[labels[ix]] = min(smallest.get(labels[ix], text), text)
    return [
        settled[ix] if ix < len(settled) else named.get(labels[answers[0]]) or _name(smallest[labels[answers[0]]])
        for ix, answers in enumerate(own)
    ]


def _labels(texts: Sequence[str], together: Iterable[Sequence[int]]) -> list[int]:
    """The connected component of each text: linked are near-identical texts, and the answers of one event."""
    links = [tuple(pair) for pair in near_links(texts, THRESHOLD).tolist()]
    links += [(answers[0], other) for answers in together for other in answers[1:]]
    rows, columns = np.array(links, dtype=np.int64).reshape(-1, 2).T
    graph = sparse.coo_matrix((np.ones(len(links)), (rows, columns)), shape=(len(texts), len(texts)))
    labels: list[int] = connected_components(graph, directed=False)[1].tolist()
    return labels


def _answers(event: Event) -> list[str]:
    return sorted({compatible(response.text) for response in event.responses})


def _name(text: str) -> str:
    return PREFIX + hashlib.sha256(text.encode()).hexdigest()[:32]
