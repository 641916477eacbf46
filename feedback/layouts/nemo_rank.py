"""Preferences of NeMo RL: `{context, completions: [{rank, completion}]}`, in older files `{prompt, completions}`."""

from core.errors import BadFeedback
from feedback.layouts import Form, Layout, Record, parts, ranked, without


class NeMoRank(Layout):
    """The lowest `rank` is the best, usually 0. Any number of completions."""

    columns = frozenset({"completions"})
    optional = frozenset({"context", "prompt"})

    def matches(self, record: Record) -> bool:
        """Completions have a rank, and there is one prompt."""
        prompts = [name for name in ("context", "prompt") if record.get(name) is not None]
        return bool(parts(record, "completions", "rank", "completion")) and len(prompts) == 1

    def read(self, record: Record) -> Form:
        """The completions in their order."""
        completions = parts(record, "completions")
        ranks = [part["rank"] for part in completions]
        stated = [rank for rank in ranks if rank is not None]
        if wrong := [rank for rank in stated if not isinstance(rank, int) or isinstance(rank, bool)]:
            raise BadFeedback(
                f"completions: a rank is {wrong[0]!r:.60}, expected whole numbers, the lowest of the best"
            )
        answers = {f"completions[{ix}].completion": part["completion"] for ix, part in enumerate(completions)}
        prompt = record["context"] if record.get("context") is not None else record["prompt"]
        native = {"completions": without(completions, "completion")}
        kind = "comparison" if len(completions) == 2 else "ranking"
        return Form(kind, prompt, answers, [{"ranks": ranked(ranks)}], native)
