"""Preferences of HelpSteer3 (Wang et al. 2025): `overall_preference` from -3, the first answer, to 3, the second."""

from feedback.layouts import Form, Layout, Published, Record, kept, signed


class HelpSteer3(Layout):
    """A negative preference means that `response1` is better. `context` is the conversation before the answers."""

    columns = frozenset({"context", "response1", "response2", "overall_preference"})
    verdict = frozenset({"overall_preference"})
    published = Published("HelpSteer3 by NVIDIA", "CC-BY-4.0")

    def read(self, record: Record) -> Form:
        """The answers in their order."""
        answers = {name: record[name] for name in ("response1", "response2")}
        judgement = signed(record, "overall_preference", 3)
        return Form("comparison", record["context"], answers, [judgement], kept(record, "overall_preference"))
