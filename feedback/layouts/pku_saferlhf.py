"""PKU-SafeRLHF (Ji et al. 2023): two answers, the better one and the safer one by their number, which counts from 0."""

from feedback.layouts import FIRST, SECOND, Form, Layout, Published, Record, kept, one_of

_BY_NUMBER = {0: FIRST, 1: SECOND, "0": FIRST, "1": SECOND}


class PKUSafeRLHF(Layout):
    """`better_response_id` decides the criterion `overall`, `safer_response_id` the criterion `safety`."""

    columns = frozenset({"prompt", "response_0", "response_1", "better_response_id", "safer_response_id"})
    published = Published("PKU-SafeRLHF by PKU-Alignment", "CC-BY-NC-4.0")

    def read(self, record: Record) -> Form:
        """The answers in their order."""
        answers = {name: record[name] for name in ("response_0", "response_1")}
        judgements = [
            {"criterion": "overall", **one_of(record, "better_response_id", _BY_NUMBER)},
            {"criterion": "safety", **one_of(record, "safer_response_id", _BY_NUMBER)},
        ]
        native = kept(record, "better_response_id", "safer_response_id")
        return Form("comparison", record["prompt"], answers, judgements, native)
