from feedback.prompts import prompt_table, prompts
from feedback.split import SplitSettings
from tests.feedback.examples import event


def test_a_prompt_bears_the_flags_of_all_events_that_count() -> None:
    events = [
        event(native="1", kind="demonstration", flags=("topic:sky", "safety")),
        event(native="2", kind="demonstration", flags=("topic:sky",)),
        event(native="3", kind="demonstration", flags=("wrong",), status="withdrawn"),
        event("Why is grass green?", native="4", kind="demonstration"),
    ]
    table = prompt_table(prompts(events, SplitSettings(), "salt")).to_pylist()
    flags = {row["prompt"][-1]["content"]: row["flags"] for row in table}
    assert flags == {"Why is the sky blue?": ["safety", "topic:sky"], "Why is grass green?": []}
