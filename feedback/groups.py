"""Groups of near-identical prompts. Splits are made by group, so that no question is in both training and holdout.

Two prompts are near-identical if their first user turns are equal up to case, punctuation and white space, or if the
Jaccard similarity of their words and word pairs is at least `THRESHOLD`. At .85, a question of seven words or more and
the same question with one more word at the end are near-identical. Two questions that differ in one noun ("return the
kettle", "return the lamp") are near-identical only from 13 words on if it is the last word, and from 19 on in
mid-sentence, so templated prompts stay in separate groups. A leak between splits is worse than a group that is too
coarse.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from feedback import items
from feedback.schema import FeedbackEvent, GroupedPrompt, Message, normalise, prompt_id
from feedback.similarity import near_pairs

THRESHOLD = 0.85

StoredEvents = Callable[[Collection[str]], Sequence[FeedbackEvent]]
"""The stored events with these prompt ids, in the order of their arrival."""


def no_events(prompts: Collection[str]) -> Sequence[FeedbackEvent]:
    """Nothing is stored."""
    return ()


def prompt_groups(prompts: Sequence[Sequence[Message]]) -> list[str]:
    """The group of each prompt, named by the smallest prompt id in it; the order of the prompts does not matter."""
    ids = [prompt_id(prompt) for prompt in prompts]
    groups = assign(dict(zip(ids, prompts, strict=True)), known={})
    return [groups[identity] for identity in ids]


def assign(prompts: Mapping[str, Sequence[Message]], known: Mapping[str, str]) -> dict[str, str]:
    """Prompt id → group, for all of `prompts`. The groups of the prompt ids in `known` do not change.

    A new prompt that is near-identical to a known one joins its group. If it is near two known groups, it joins the
    first in the order of `known`, and the two are not merged. A known prompt can be joined only if its text is in
    `prompts`.
    """
    openings = {identity: opening(prompt) for identity, prompt in prompts.items()}
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
    events: Sequence[FeedbackEvent], known: Sequence[GroupedPrompt] = (), stored: StoredEvents = no_events
) -> list[FeedbackEvent]:
    """The events with their prompt groups filled in. Groups in `known`, or set by a source, do not change.

    Events whose prompt most records of their source share are grouped by item (`feedback.items`); `stored` returns the
    earlier events with such prompts.
    """
    open_events = [event for event in events if event.prompt_group == event.prompt_id]
    fixed = items.fixed_prompts(open_events, {entry.prompt_id: entry.group for entry in known})
    grouped = _by_prompt([event for event in events if event.prompt_id not in fixed], known)
    grouped += items.by_item([event for event in events if event.prompt_id in fixed], stored(fixed) if fixed else [])
    by_id = {event.feedback_id: event.prompt_group for event in grouped}
    return [event.model_copy(update={"prompt_group": by_id[event.feedback_id]}) for event in events]


def _by_prompt(events: Sequence[FeedbackEvent], known: Sequence[GroupedPrompt]) -> list[FeedbackEvent]:
    stated = [
        GroupedPrompt(event.prompt_id, event.prompt_group, event.prompt)
        for event in events
        if event.prompt_group != event.prompt_id
    ]
    frozen: dict[str, str] = {}
    for entry in [*known, *stated]:
        frozen.setdefault(entry.prompt_id, entry.group)
    prompts = {entry.prompt_id: entry.prompt for entry in known} | {event.prompt_id: event.prompt for event in events}
    groups = assign(prompts, frozen)
    return [event.model_copy(update={"prompt_group": groups[event.prompt_id]}) for event in events]


def opening(prompt: Sequence[Message]) -> str:
    """The normalised words of the first user turn (of the first turn, if there is no user turn)."""
    turns = [turn.content for turn in prompt if turn.role == "user"] or [prompt[0].content]
    text = normalise(turns[0])
    return " ".join(re.findall(r"\w+", text)) or text


def _clusters(texts: Sequence[str], settled: int) -> list[list[str]]:
    """Clusters of texts linked by near-identical pairs, in the order of `texts`.

    Pairs among the first `settled` texts are ignored.
    """
    pairs = near_pairs(texts, THRESHOLD, start=settled)
    links = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(texts), len(texts)))
    clusters: defaultdict[int, list[str]] = defaultdict(list)
    for label, text in zip(connected_components(links, directed=False)[1], texts, strict=True):
        clusters[label].append(text)
    return list(clusters.values())
