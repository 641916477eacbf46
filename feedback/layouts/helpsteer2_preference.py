"""Preferences of HelpSteer2 (Wang et al. 2024): `preference_strength` from -3, the first answer, to 3, the second."""

from feedback.layouts import Form, Layout, Published, Record, kept, signed


class HelpSteer2Preference(Layout):
    """A negative strength means that `response_1` is better."""

    columns = frozenset({"prompt", "response_1", "response_2", "preference_strength"})
    verdict = frozenset({"preference_strength"})
    published = Published("HelpSteer2 by NVIDIA", "CC-BY-4.0")

    def read(self, record: Record) -> Form:
        """The answers in their order."""
        answers = {name: record[name] for name in ("response_1", "response_2")}
        judgement = signed(record, "preference_strength", 3)
        return Form("comparison", record["prompt"], answers, [judgement], kept(record, "preference_strength"))
