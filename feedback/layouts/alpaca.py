"""A demonstration in the form of Alpaca (Taori et al. 2023): `{instruction, input, output}`."""

from feedback.layouts import Form, Layout, Record, empty, kept


class Alpaca(Layout):
    """The instruction, and the input below it where there is one, are the prompt."""

    columns = frozenset({"instruction", "output"})
    optional = frozenset({"input", "system", "history", "text"})

    def read(self, record: Record) -> Form:
        """One answer to imitate; `history` is a list of earlier questions and answers."""
        turns = [{"role": "system", "content": record["system"]}] if record.get("system") else []
        for question, answer in record.get("history") or []:
            turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        text = "\n\n".join(part for part in (record["instruction"], record.get("input")) if part)
        native = kept(record, "input", "text") | empty(record, "system", "history")
        prompt = [*turns, {"role": "user", "content": text}]
        return Form("demonstration", prompt, {"output": record["output"]}, native=native)
