"""Groups of near-identical prompts. Splits are made by group, so that no question is in both training and holdout.

Two prompts are near-identical if their first user turns are equal up to case, punctuation and white space, or if the
Jaccard similarity of their words and word pairs is at least `THRESHOLD`. At .85, a question of seven words or more and
the same question with one more word at the end are near-identical. Two questions that differ in one noun ("return the
kettle", "return the lamp") are near-identical only from 13 words on if it is the last word, and from 19 on in
mid-sentence, so templated prompts stay in separate groups. A leak between splits is worse than a group that is too
coarse.

Prompts that differ in compatibility forms only ("2²?", "22?") have two ids, but one group, also where a source states
two: schema version 1 gave them one id, and a prompt that is new never changes the split of one that is stored.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from feedback import items
from feedback.schema import FeedbackEvent, GroupedPrompt, Turn, prompt_id, version_1_id
from feedback.similarity import near_any, near_links
from feedback.stored import Event, EventsWith, StoredPrompt
from feedback.unicode_forms import compatible

THRESHOLD = 0.85


def no_events(prompts: Collection[str]) -> Sequence[Event]:
    """Nothing is stored."""
    return ()


def prompt_groups(prompts: Sequence[Sequence[Turn]]) -> list[str]:
    """The group of each prompt, named by the smallest prompt id in it; the order of the prompts does not matter."""
    ids = [prompt_id(prompt) for prompt in prompts]
    groups = assign(dict(zip(ids, prompts, strict=True)), known={})
    return [groups[identity] for identity in ids]


def assign(prompts: Mapping[str, Sequence[Turn]], known: Mapping[str, str]) -> dict[str, str]:
    """Prompt id → group, for all of `prompts`. The groups of the prompt ids in `known` do not change.

    A new prompt that is near-identical to a known one joins its group. If it is near two known groups, it joins the
    first in the order of `known`, and the two are not merged. A known prompt can be joined only if its text is in
    `prompts`.
    """
    return _assign({identity: opening(prompt) for identity, prompt in prompts.items()}, known)


def _assign(openings: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    frozen: dict[str, str] = {}
    for identity in known:
        if identity in openings:
            frozen.setdefault(openings[identity], known[identity])
    smallest = {openings[identity]: identity for identity in sorted(openings, reverse=True)}
    texts = [*frozen, *sorted(smallest.keys() - frozen.keys())]
    groups = dict(frozen)
    for cluster in _clusters(texts, settled=len(frozen)):
        first = cluster[0]
        group = frozen[first] if first in frozen else min(smallest[text] for text in cluster)
        groups |= {text: group for text in cluster if text not in frozen}
    return {identity: known.get(identity, groups[text]) for identity, text in openings.items()}


def regroup(
    events: Sequence[FeedbackEvent], known: Iterable[GroupedPrompt | StoredPrompt] = (), stored: EventsWith = no_events
) -> list[FeedbackEvent]:
    """The events with their prompt groups filled in; see `Grouping`. `stored` returns the earlier events."""
    grouping = Grouping(known)
    for event in events:
        grouping.add(event)
    prompts = [event.prompt_id for event in events]
    groups = grouping.groups(prompts, lambda fixed: [event for event in events if event.prompt_id in fixed], stored)
    return [event.model_copy(update={"prompt_group": group}) for event, group in zip(events, groups, strict=True)]


class Grouping:
    """The groups of prompts whose events are added one by one; of the events only the openings are kept.

    Groups that are known, or set by a source, do not change. Events whose prompt most records of their source share are
    grouped by item (`feedback.items`).
    """

    def __init__(self, known: Iterable[GroupedPrompt | StoredPrompt] = ()) -> None:
        self._known: dict[str, str] = {}
        self._openings: dict[str, str] = {}
        self._compatible: dict[str, str] = {}
        for entry in known:
            self._known[entry.prompt_id] = entry.group
            self._remember(entry.prompt_id, entry.prompt)
        self._stated: dict[str, str] = {}
        self._fixed = items.FixedPrompts()

    def add(self, event: FeedbackEvent) -> None:
        """Take an event into account, also one that is stored already."""
        if event.prompt_group == event.prompt_id:
            self._fixed.add(event)
        else:
            self._stated.setdefault(event.prompt_id, event.prompt_group)
        if event.prompt_id not in self._openings:
            self._remember(event.prompt_id, event.prompt)

    def _remember(self, identity: str, prompt: Sequence[Turn]) -> None:
        self._openings[identity] = opening(prompt)
        if (former := version_1_id(prompt)) != identity:
            self._compatible[identity] = former

    def groups(self, prompts: Sequence[str], events: EventsWith, stored: EventsWith = no_events) -> list[str]:
        """The groups of some of the added events, given the prompt id of each.

        Args:
            prompts: the prompt ids of the events.
            events: returns those of the events with given prompt ids, in the same order.
            stored: the same for the events that were stored earlier.
        """
        fixed = self._fixed.ids(self._known, events)
        fixed -= self._near_known(fixed)
        by_item = iter(items.by_item(events(fixed), stored(fixed)) if fixed else ())
        by_prompt = self._by_prompt(fixed)
        return [next(by_item) if prompt in fixed else by_prompt[prompt] for prompt in prompts]

    def _near_known(self, fixed: Collection[str]) -> set[str]:
        """The new fixed prompts that are near-identical to a stored prompt, and so join its group.

        Grouped by item, they would be in training even if the stored prompt is held out.
        """
        new = sorted(prompt for prompt in fixed if prompt not in self._known)
        if not new:
            return set()
        known = {self._openings[prompt] for prompt, group in self._known.items() if not items.is_item(group)}
        near = {new[ix] for ix in near_any([self._openings[prompt] for prompt in new], sorted(known), THRESHOLD)}
        return near | {prompt for prompt in new if self._openings[prompt] in known}

    def _by_prompt(self, fixed: Collection[str]) -> dict[str, str]:
        openings = {
            prompt: text for prompt, text in self._openings.items() if prompt in self._known or prompt not in fixed
        }
        stated = {prompt: group for prompt, group in self._stated.items() if prompt not in fixed}
        return _assign(openings, self._frozen(openings, stated))

    def _frozen(self, prompts: Iterable[str], stated: Mapping[str, str]) -> dict[str, str]:
        """The groups that do not change: of known prompts, then of prompts equal to them in compatible form, or stated.

        Of several groups of prompts that are equal in compatible form, the first counts for those that are new.
        """
        frozen = dict(self._known)
        former: dict[str, str] = {}
        for prompt, group in [*frozen.items(), *stated.items()]:
            former.setdefault(self._compatible.get(prompt, prompt), group)
        for prompt in [*stated, *prompts]:
            same = former.get(self._compatible.get(prompt, prompt))
            if same is not None:
                frozen.setdefault(prompt, same)
        return frozen


def opening(prompt: Sequence[Turn]) -> str:
    """The normalised words of the first user turn (of the first turn, if there is no user turn)."""
    turns = [turn.content for turn in prompt if turn.role == "user"] or [prompt[0].content]
    text = compatible(turns[0])
    return " ".join(re.findall(r"\w+", text)) or text


def _clusters(texts: Sequence[str], settled: int) -> list[list[str]]:
    """Clusters of texts linked by near-identical pairs, in the order of `texts`.

    Pairs among the first `settled` texts are ignored.
    """
    pairs = near_links(texts, THRESHOLD, start=settled)
    links = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(texts), len(texts)))
    clusters: defaultdict[int, list[str]] = defaultdict(list)
    for label, text in zip(connected_components(links, directed=False)[1], texts, strict=True):
        clusters[label].append(text)
    return list(clusters.values())
