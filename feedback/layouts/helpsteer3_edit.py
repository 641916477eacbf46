"""Corrections of HelpSteer3 (Wang et al. 2025): an answer and the one that a person made of it by feedback."""

from feedback.layouts import Form, Layout, Published, Record


class HelpSteer3Edit(Layout):
    """`edited_response` corrects `original_response`."""

    columns = frozenset({"context", "original_response", "edited_response"})
    published = Published("HelpSteer3 by NVIDIA", "CC-BY-4.0")

    def read(self, record: Record) -> Form:
        """The original comes first; the feedback and the summary of the change are kept in `extra`."""
        edited = {"messages": record["edited_response"], "origin": "human_edit", "parent_ix": 0}
        answers = {"original_response": record["original_response"], "edited_response": edited}
        return Form("correction", record["context"], answers)
