"""Near-identical prompts form a group, so that a split never has the same question on both sides.

Two prompts are near-identical when their first human turns are the same up to case, punctuation and white space,
or when the Jaccard similarity of their words and word pairs reaches `THRESHOLD`. At .85, one more word at the end
joins a question of seven words or more; a swapped noun ("return the kettle", "return the lamp") joins only from 13
words on (from 19 on in mid-sentence), so that templated prompts stay apart. A leak is worse than a coarse group.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from feedback.schema import FeedbackEvent, GroupedPrompt, Message, normalise, prompt_id
from feedback.similarity import near_pairs

THRESHOLD = 0.85


def prompt_groups(prompts: Sequence[Sequence[Message]]) -> list[str]:
    """The group of each prompt. A group is named by the smallest prompt id in it, whatever the order."""
    ids = [prompt_id(prompt) for prompt in prompts]
    groups = assign(dict(zip(ids, prompts, strict=True)), known={})
    return [groups[identity] for identity in ids]


def assign(prompts: Mapping[str, Sequence[Message]], known: Mapping[str, str]) -> dict[str, str]:
    """The group of each prompt (by prompt id), where the groups of `known` prompt ids are frozen.

    A new prompt near a known one joins its group; near two known groups it joins the first in the order of `known`,
    and both stay apart. Only known prompts whose texts are in `prompts`, too, can be joined.
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


def regroup(events: Sequence[FeedbackEvent], known: Sequence[GroupedPrompt] = ()) -> list[FeedbackEvent]:
    """The events with their prompt groups filled in. Groups that are known, or that a source set itself, stay."""
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
    """The words of the first human turn (of the first turn where no human speaks), normalised."""
    turns = [turn.content for turn in prompt if turn.role == "user"] or [prompt[0].content]
    text = normalise(turns[0])
    return " ".join(re.findall(r"\w+", text)) or text


def _clusters(texts: Sequence[str], settled: int) -> list[list[str]]:
    """Texts joined by chains of near pairs, each in the order of `texts`. The first `settled` make no pairs."""
    pairs = near_pairs(texts, THRESHOLD, start=settled)
    links = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(texts), len(texts)))
    clusters: defaultdict[int, list[str]] = defaultdict(list)
    for label, text in zip(connected_components(links, directed=False)[1], texts, strict=True):
        clusters[label].append(text)
    return list(clusters.values())
