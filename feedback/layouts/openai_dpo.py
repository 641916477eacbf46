"""The preference form of OpenAI and Together: `{input: {messages}, preferred_output, non_preferred_output}`."""

from collections.abc import Mapping

from feedback.layouts import FIRST, Form, Layout, Record


class OpenAIDPO(Layout):
    """`preferred_output` is the better answer."""

    columns = frozenset({"input", "preferred_output", "non_preferred_output"})

    def matches(self, record: Record) -> bool:
        """The input is an object with messages."""
        return isinstance(record["input"], Mapping) and "messages" in record["input"]

    def read(self, record: Record) -> Form:
        """The preferred answer comes first; other keys of `input`, such as tools, are kept."""
        answers = {name: record[name] for name in ("preferred_output", "non_preferred_output")}
        others = {name: value for name, value in record["input"].items() if name != "messages"}
        native = {"input": others} if others else {}
        return Form("comparison", record["input"]["messages"], answers, [FIRST], native)
