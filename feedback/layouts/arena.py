"""Votes of the Chatbot Arena on two conversations (Zheng et al. 2023)."""

from feedback.layouts import FIRST, SECOND, Form, Layout, Record, decoded, kept, one_of

WINNERS = {
    "model_a": FIRST,
    "model_b": SECOND,
    "tie": {"outcome": "tie"},
    "tie (bothbad)": {"outcome": "tie_both_bad"},
    "both_bad": {"outcome": "tie_both_bad"},
}


class Arena(Layout):
    """`winner` is `model_a`, `model_b`, `tie`, or a tie in which both are bad.

    Conversations that differ before their last turns are refused: their last answers are to different prompts.
    """

    columns = frozenset({"conversation_a", "conversation_b", "winner"})

    def matches(self, record: Record) -> bool:
        """There are no earlier turns elsewhere (`arena_140k`)."""
        return not record.get("full_conversation")

    def read(self, record: Record) -> Form:
        """The conversations in their order."""
        answers = {
            name: {"messages": decoded(record[name]), "model": record.get(model)}
            for name, model in (("conversation_a", "model_a"), ("conversation_b", "model_b"))
        }
        return Form("comparison", None, answers, [one_of(record, "winner", WINNERS)], kept(record, "winner"))
