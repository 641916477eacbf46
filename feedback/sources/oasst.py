"""Conversation trees of OpenAssistant (Köpf et al. 2023), whole or as a flat list of messages."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

from core.errors import BadFeedback
from core.files import digest
from feedback import lines, packaging
from feedback.layouts import number, one_of
from feedback.limits import DEEPEST, UNLIMITED, SizeLimitSettings
from feedback.lines import Line, Record
from feedback.schema import FeedbackEvent, RejectedRecord
from feedback.sources import Intake, RecordSource

_ROLES = {"prompter": "user", "assistant": "assistant"}
_APART = ("text", "replies")
"""What is not kept in `extra` with a message: its text is that of a turn or an answer."""


class OASST(RecordSource):
    """The ranks of the replies to a message are the consensus of all volunteers: a ranking by an unknown annotator.

    Ranks count from 0, the best; a reply without a rank stays unranked. Where an export has the rankings of single
    volunteers (`events.ranking`), these are read in place of the consensus, also those with `not_rankable`. Messages
    that are deleted or failed the review are left out, with everything below them.
    """

    editable: ClassVar[bool] = True

    path: Path
    """A file of trees or of messages, such as `2023-04-12_oasst_ready.trees.jsonl.gz`."""
    languages: tuple[str, ...] = ()
    """Languages to read, such as `en`; empty for all."""
    demonstrations: bool = True
    """Also read the best reply to a message as a demonstration, if a person wrote it."""
    licence: str = "Apache-2.0"
    """SPDX identifier of the data's licence."""

    def read(self, intake: Intake) -> Iterator[FeedbackEvent | RejectedRecord]:
        """All trees, in the order of the file."""
        defaults = self.defaults(intake)
        if _is_flat(self.path, intake.limits):
            yield from self._messages(defaults, intake.limits)
        else:
            yield from lines.several(self.path, self.name(), defaults, self._threads, self._records, intake.limits)

    def check(self) -> None:
        """Check that the file exists, and is of a kind that is read."""
        lines.check(self.path)
        packaging.detect(self.path, UNLIMITED)

    def files(self) -> list[Path]:
        """The file."""
        return [self.path]

    def fingerprint(self) -> str:
        """The digest of the file."""
        lines.check(self.path)
        return digest(self.path)

    def _messages(self, defaults: Record, limits: SizeLimitSettings) -> Iterator[FeedbackEvent | RejectedRecord]:
        """A file of messages: trees are put together from all lines, then read in the order of their first messages."""
        flat = _Flat()
        for line in lines.read(self.path, limits):
            try:
                flat.add(line)
            except Exception as error:  # as in `lines.judged`
                yield lines.rejected(error, self.name(), line.where, line.text)
        for line, root in flat.roots():
            filled = {**defaults, "source": self.name(), "source_sha256": line.sha256}
            try:
                parts = list(self._threads({"prompt": root, "message_tree_id": root.get("message_tree_id")}))
            except Exception as error:  # as in `lines.judged`
                yield lines.rejected(error, self.name(), line.where, line.text)
                continue
            for part in parts:
                yield from lines.converted(part, line.where, filled, self._records)

    def _threads(self, tree: Record) -> Iterator[Record]:
        """Every message of people with replies to it: the messages that lead to it, and the replies.

        Raises:
            BadFeedback: the record is not a tree, or it is too deep.
        """
        root = tree.get("prompt")
        if not isinstance(root, Mapping) or "message_tree_id" not in tree:
            raise BadFeedback("prompt is not a message, expected a tree with `message_tree_id` and `prompt`")
        about = {name: value for name, value in tree.items() if name != "prompt"}
        open_threads: list[list[Record]] = [[root]] if self._is_wanted(root) else []
        while open_threads:
            thread = open_threads.pop()
            if 2 * len(thread) > DEEPEST:  # a message and its list of replies are two levels
                raise BadFeedback(
                    f"the tree is too deep, expected at most {DEEPEST // 2} messages; leave out the last ones"
                )
            replies = [reply for reply in _replies(thread[-1]) if self._is_wanted(reply)]
            open_threads += [[*thread, reply] for reply in reversed(replies)]
            if replies and thread[-1].get("role") == "prompter":
                yield {"tree": about, "thread": thread, "replies": replies}

    def _is_wanted(self, message: Record) -> bool:
        spoken = not self.languages or message.get("lang") in self.languages
        return spoken and message.get("deleted") is not True and message.get("review_result") is not False

    def _records(self, part: Record) -> Iterable[Record]:
        """The rankings of the replies to a message, and the best one as a demonstration."""
        thread, replies = part["thread"], part["replies"]
        common: dict[str, Any] = {
            "prompt": [_turn(message) for message in thread],
            "extra": {"tree": part["tree"], "message": _kept(thread[-1])},
        }
        single = _rankings(thread[-1])
        yield from (_by_person(common, replies, ranking, position) for position, ranking in enumerate(single))
        if not single and sum(reply.get("rank") is not None for reply in replies) > 1:
            yield _consensus(common, replies)
        best = min(replies, key=_rank_or_last)
        if self.demonstrations and not best.get("synthetic") and (best.get("rank") == 0 or len(replies) == 1):
            yield _demonstration(common, best)


class _Flat:
    """Messages by their ids, until all of them are read."""

    def __init__(self) -> None:
        self._messages: dict[str, tuple[Line, dict[str, Any]]] = {}

    def add(self, line: Line) -> None:
        """Keep a message.

        Raises:
            BadFeedback: it has no `message_id`.
        """
        message = dict(lines.parse(line))
        identity = message.get("message_id")
        if not isinstance(identity, str):
            raise BadFeedback("message_id is missing, expected a message of OpenAssistant")
        self._messages.setdefault(identity, (line, {**message, "replies": []}))

    def roots(self) -> Iterator[tuple[Line, dict[str, Any]]]:
        """The first message of every tree, with all others below it; and those whose parent is not in the file."""
        for _, message in self._messages.values():
            if parent := self._messages.get(str(message.get("parent_id"))):
                parent[1]["replies"].append(message)
        for line, message in self._messages.values():
            if message.get("parent_id") is None:
                yield line, message


def _is_flat(path: Path, limits: SizeLimitSettings) -> bool:
    """Whether the records of a file are messages, not trees, by the first one that can be read."""
    for line in islice(lines.read(path, limits), 10):
        try:
            return "message_id" in lines.parse(line)
        except BadFeedback:
            continue
    return False


def _replies(message: Record) -> Sequence[Record]:
    replies = message.get("replies")
    return [reply for reply in replies if isinstance(reply, Mapping)] if isinstance(replies, list) else []


def _turn(message: Record) -> dict[str, Any]:
    return {"role": one_of(message, "role", _ROLES), "content": message.get("text")}


def _answer(message: Record) -> dict[str, Any]:
    origin = "model" if message.get("synthetic") else "human"
    answer = {"messages": [_turn(message)], "response_id": message.get("message_id"), "origin": origin}
    return answer | ({"model": message["model_name"]} if message.get("model_name") else {})


def _kept(message: Record) -> dict[str, Any]:
    """The native fields of a message."""
    return {name: value for name, value in message.items() if name not in _APART}


def _rank_or_last(message: Record) -> float:
    rank = number(message, "rank")
    return float("inf") if rank is None else rank


def _rankings(message: Record) -> list[Record]:
    """The rankings by single volunteers of the replies to a message, where an export has them."""
    events = message.get("events")
    rankings = events.get("ranking") if isinstance(events, Mapping) else None
    return [ranking for ranking in rankings if isinstance(ranking, Mapping)] if isinstance(rankings, list) else []


def _consensus(common: Mapping[str, Any], replies: Sequence[Record]) -> dict[str, Any]:
    ranks = [number(reply, "rank") for reply in replies]
    order = sorted({rank for rank in ranks if rank is not None})
    ranking = [None if rank is None else order.index(rank) + 1 for rank in ranks]
    parent = common["extra"]["message"].get("message_id")
    return _choice(common, replies, {"ranks": ranking}) | {"source_id": f"{parent}/ranking"}


def _by_person(common: Mapping[str, Any], replies: Sequence[Record], ranking: Record, position: int) -> dict[str, Any]:
    """One volunteer's ranking. `ranked_message_ids` are in order, the best first."""
    listed = ranking.get("ranked_message_ids") or []
    if not isinstance(listed, list):
        raise BadFeedback("ranked_message_ids is not a list, expected the ids of the replies, the best first")
    ranks = [listed.index(reply["message_id"]) + 1 if reply.get("message_id") in listed else None for reply in replies]
    parent = common["extra"]["message"].get("message_id")
    judgement = {"outcome": "not_rankable"} if ranking.get("not_rankable") else {"ranks": ranks}
    choice = _choice(common, replies, judgement)
    extra = {**choice["extra"], "ranking": dict(ranking)}
    identity = {"source_id": f"{parent}/ranking/{position}", "annotator_id": ranking.get("user_id")}
    return choice | identity | {"extra": extra}


def _demonstration(common: Mapping[str, Any], reply: Record) -> dict[str, Any]:
    """A reply, by the person who wrote it."""
    return {
        **common,
        "kind": "demonstration",
        "source_id": f"{reply.get('message_id')}/demonstration",
        "annotator_id": reply.get("user_id"),
        "created_at": reply.get("created_date"),
        "responses": [_answer(reply)],
        "extra": {**common["extra"], "replies": [_kept(reply)]},
    }


def _choice(common: Mapping[str, Any], replies: Sequence[Record], judgement: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **common,
        "kind": "comparison" if len(replies) == 2 else "ranking",
        "responses": [_answer(reply) for reply in replies],
        "judgements": [judgement],
        "extra": {**common["extra"], "replies": [_kept(reply) for reply in replies]},
    }
