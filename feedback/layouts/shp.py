"""Stanford Human Preferences (Ethayarajh et al. 2022): two comments on one post."""

from feedback.layouts import FIRST, SECOND, Form, Layout, Record, kept, one_of


class SHP(Layout):
    """`labels` is 1 if `human_ref_A` is better, 0 if `human_ref_B` is."""

    columns = frozenset({"history", "human_ref_A", "human_ref_B", "labels"})

    def read(self, record: Record) -> Form:
        """The answers in their order."""
        answers = {name: record[name] for name in ("human_ref_A", "human_ref_B")}
        judgement = one_of(record, "labels", {1: FIRST, 0: SECOND, "1": FIRST, "0": SECOND})
        return Form("comparison", record["history"], answers, [judgement], kept(record, "labels"))
