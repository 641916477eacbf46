"""Comparisons of summaries (Stiennon et al. 2020): `{info, summaries, choice}`."""

from collections.abc import Mapping
from typing import Any

from core.errors import BadFeedback
from feedback.layouts import FIRST, SECOND, Form, Layout, Record, decoded, kept, one_of, parts, without


class SummarizeComparison(Layout):
    """`choice` is the position of the better summary, 0 or 1. `extra.confidence` (1 to 9) is kept as it is."""

    columns = frozenset({"info", "summaries", "choice"})
    optional = frozenset({"worker"})

    def matches(self, record: Record) -> bool:
        """There are two summaries of a text."""
        return isinstance(decoded(record["info"]), Mapping) and len(parts(record, "summaries", "text")) == 2

    def read(self, record: Record) -> Form:
        """The summaries in their order; the worker is the annotator."""
        summaries = parts(record, "summaries")
        answers = {
            f"summaries[{ix}].text": {"messages": summary["text"], "model": summary.get("policy")}
            for ix, summary in enumerate(summaries)
        }
        judgement = one_of(record, "choice", {0: FIRST, 1: SECOND, "0": FIRST, "1": SECOND})
        native = {"info": about(record), "summaries": without(summaries, "text", "policy"), **kept(record, "choice")}
        return Form("comparison", request(record), answers, [judgement], native, annotator(record))


def request(record: Record) -> str:
    """The prompt: a post with its title and subreddit, or an article with its title, in the layout of the paper.

    Raises:
        BadFeedback: the post or article is not a text.
    """
    info = decoded(record["info"])
    text = info.get("post") if info.get("post") is not None else info.get("article") or ""
    if not isinstance(text, str):
        raise BadFeedback(f"info: the post or article is {text!r:.60}, expected a text")
    above = [("SUBREDDIT: r/", info.get("subreddit")), ("TITLE: ", info.get("title"))]
    heads = [f"{name}{value}" for name, value in above if value]
    return "\n\n".join([*heads, f"POST: {text}" if info.get("post") is not None else text, "TL;DR:"])


def about(record: Record) -> dict[str, Any]:
    """What is known of the text; the text itself is in the prompt."""
    return {name: value for name, value in decoded(record["info"]).items() if name not in ("post", "article")}


def annotator(record: Record) -> dict[str, Any]:
    """The worker as a field of the event, unless the record states an annotator."""
    stated = record.get("worker") is None or record.get("annotator_id") is not None
    return {} if stated else {"annotator_id": str(record["worker"])}
