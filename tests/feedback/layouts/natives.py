"""How the native columns of each form are rebuilt from an event of the canonical table."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from feedback.schema import FeedbackEvent, Message
from feedback.trust import IGNORED

Native = dict[str, Any]

SPEAKERS = {"user": "human", "assistant": "gpt", "system": "system"}


def native(layout: str, event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    """The columns of a record. `example` is asked only how texts are written: as texts or turns, plain or as JSON."""
    return fields(event) | COLUMNS[layout](event, example)


def fields(event: FeedbackEvent) -> Native:
    """What is the same in every form: `extra`, and the columns that are fields of the event under their own names."""
    extra = {name: value for name, value in event.extra.items() if name not in ("turns", IGNORED)}
    ignored = event.extra.get(IGNORED, {})  # a split counts only if a trusted source states it
    assert isinstance(ignored, dict)
    return extra | {"source": event.source, "split": event.split or ignored.get("split")}


def answer(event: FeedbackEvent, ix: int) -> str:
    return event.responses[ix].text


def turn(message: Message, others: Mapping[str, Any] | None = None) -> Native:
    return {"role": message.role, "content": message.content, **(others or {})}


def in_turns(event: FeedbackEvent, ix: int | None = None) -> list[Native]:
    """The prompt as turns, with the answer of this index after them."""
    messages = event.prompt if ix is None else (*event.prompt, event.responses[ix].messages[0])
    return [turn(message) for message in messages]


def prompt(event: FeedbackEvent, like: object) -> object:
    """The prompt as a text or as turns."""
    return event.prompt[-1].content if isinstance(like, str) else in_turns(event)


def reply(event: FeedbackEvent, ix: int, like: object) -> object:
    """An answer as a text, a turn, or a whole conversation."""
    if isinstance(like, str):
        return answer(event, ix)
    alone = [turn(event.responses[ix].messages[0])]
    return alone if isinstance(like, list) and len(like) == 1 else in_turns(event, ix)


def named(*names: str) -> Callable[[FeedbackEvent, Mapping[str, Any]], Native]:
    """A form whose first column is the prompt, and the others its answers in their order."""

    def rebuild(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
        asked, *answers = names
        columns = {name: reply(event, ix, example[name]) for ix, name in enumerate(answers)}
        return {asked: prompt(event, example[asked]), **columns}

    return rebuild


def only_conversations(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    names = ("chosen", "rejected") if "chosen" in example else ("messages",)
    return {name: in_turns(event, ix) for ix, name in enumerate(names)}


def binarized(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    return {"messages": in_turns(event, 0)} | named("prompt", "chosen", "rejected")(event, example)


def transcripts(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    names = {"user": "Human", "assistant": "Assistant"}
    texts = [
        "".join(f"\n\n{names[one['role']]}: {one['content']}" for one in in_turns(event, ix))
        for ix in range(len(event.responses))
    ]
    return dict(zip(("chosen", "rejected"), texts, strict=True))


def openai(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    others = event.extra.get("input", {})
    assert isinstance(others, dict)
    answers = {name: reply(event, ix, []) for ix, name in enumerate(("preferred_output", "non_preferred_output"))}
    del example
    return {
        "input": {"messages": in_turns(event), **others},
        **{name: value[-1:] for name, value in answers.items() if isinstance(value, list)},
    }


def alpaca(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    del example
    below = event.extra.get("input")
    *earlier, last = [one for one in event.prompt if one.role != "system"]
    system = [one.content for one in event.prompt if one.role == "system"]
    pairs = [[one.content, two.content] for one, two in zip(earlier[::2], earlier[1::2], strict=True)]
    instruction = last.content.removesuffix(f"\n\n{below}") if below else last.content
    more = ({"system": system[0]} if system else {}) | ({"history": pairs} if pairs else {})
    return {"instruction": instruction, "output": answer(event, 0), **more}


def alpaca_eval(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    below = event.extra.get("input")
    columns = named("instruction", "output_1", "output_2")(event, example)
    return columns | {"instruction": str(columns["instruction"]).removesuffix(f"\n\n{below}" if below else "")}


def beside(others: Mapping[str, Any], ix: int) -> Native:
    """What a turn had beside its speaker and its text."""
    return dict(others.get(f"conversations[{ix}]", {}))


def sharegpt(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    """Turns as `{from, value}`; what they had beside is in `extra.turns`, by their position."""
    del example
    others = event.extra.get("turns", {})
    assert isinstance(others, dict)
    whole = [
        {"from": SPEAKERS[one["role"]], "value": one["content"], **beside(others, ix)}
        for ix, one in enumerate(in_turns(event, 0))
    ]
    if whole[0]["from"] == "system":
        return {"system": whole[0]["value"], "conversations": whole[1:]}
    return {"conversations": whole}


def sharegpt_preference(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    del example
    system = {"system": event.prompt[0].content} if event.prompt[0].role == "system" else {}
    asked = [one for one in event.prompt if one.role != "system"]
    return {
        "conversations": [{"from": SPEAKERS[one.role], "value": one.content} for one in asked],
        "chosen": {"from": "gpt", "value": answer(event, 0)},
        "rejected": {"from": "gpt", "value": answer(event, 1)},
        **system,
    }


def arena(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    del example
    return {"conversation_a": in_turns(event, 0), "conversation_b": in_turns(event, 1)}


def arena_140k(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    """Contents as parts; the earlier turns, which `full_conversation` has too, are left out."""
    count = len(example["conversation_a"])
    return {
        name: [
            {"role": one["role"], "content": [{"type": "text", "text": one["content"]}]}
            for one in in_turns(event, ix)[-count:]
        ]
        for ix, name in enumerate(("conversation_a", "conversation_b"))
    }


def arena_55k(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    del example
    rows = [in_turns(event, ix) for ix in range(2)]
    questions = [one["content"] for one in rows[0][::2]]
    answers = {name: [one["content"] for one in row[1::2]] for name, row in zip("ab", rows, strict=True)}
    return {"prompt": json.dumps(questions)} | {
        f"response_{name}": json.dumps(texts) for name, texts in answers.items()
    }


def merged(event: FeedbackEvent, column: str, key: str, like: object = "", model: str = "") -> list[Native]:
    """The parts of a list in `extra`, each with its answer, and the name of its model."""
    others = event.extra[column]
    assert isinstance(others, list)
    return [
        {**dict(part), key: reply(event, ix, like), **({model: event.responses[ix].model} if model else {})}
        for ix, part in enumerate(others)
        if isinstance(part, dict)
    ]


def ultrafeedback(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    del example
    completions = merged(event, "completions", "response")
    return {"instruction": event.prompt[0].content, "completions": completions}


def distilabel(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    del example
    models = [response.model for response in event.responses]
    return {
        "instruction": event.prompt[0].content,
        "generations": [response.text for response in event.responses],
        **({"generation_models": models} if any(models) else {}),
    }


def nemo_rank(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    name = "context" if "context" in example else "prompt"
    completions = merged(event, "completions", "completion", example["completions"][0]["completion"])
    return {name: prompt(event, example[name]), "completions": completions}


def nemo_dpo(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    kept = ("prompt", "chosen_response", "rejected_response")
    return {name: event.extra[name] for name in kept if name in event.extra} or named(*kept)(event, example)


def about(event: FeedbackEvent) -> Native:
    """The text, its title and its origin: the prompt without what stands around the text."""
    info = event.extra["info"]
    assert isinstance(info, dict)
    kind, mark = ("post", "POST: ") if "subreddit" in info else ("article", "")
    head = f"TITLE: {info['title']}\n\n{mark}"
    _, _, text = event.prompt[0].content.partition(head)
    return {**info, kind: text.removesuffix("\n\nTL;DR:")}


def summarize_comparison(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    del example
    summaries = merged(event, "summaries", "text", model="policy")
    return {"info": about(event), "summaries": summaries, "worker": event.annotator_id}


def summarize_axes(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    del example
    others = event.extra["summary"]
    assert isinstance(others, dict)
    summary = {**others, "text": answer(event, 0), "policy": event.responses[0].model}
    return {"info": about(event), "summary": summary, "worker": event.annotator_id}


def webgpt(event: FeedbackEvent, example: Mapping[str, Any]) -> Native:
    del example
    return {"answer_0": answer(event, 0), "answer_1": answer(event, 1)}


COLUMNS: dict[str, Callable[[FeedbackEvent, Mapping[str, Any]], Native]] = {
    "preference": named("prompt", "chosen", "rejected"),
    "implicit_preference": only_conversations,
    "openai_dpo": openai,
    "demonstration": named("prompt", "completion"),
    "messages": only_conversations,
    "unpaired": named("prompt", "completion"),
    "hh": transcripts,
    "ultrafeedback_binarized": binarized,
    "ultrafeedback": ultrafeedback,
    "distilabel": distilabel,
    "alpaca": alpaca,
    "alpaca_eval": alpaca_eval,
    "sharegpt": sharegpt,
    "sharegpt_preference": sharegpt_preference,
    "steerlm": sharegpt,
    "helpsteer": named("prompt", "response"),
    "helpsteer2_preference": named("prompt", "response_1", "response_2"),
    "helpsteer3": named("context", "response1", "response2"),
    "helpsteer3_edit": named("context", "original_response", "edited_response"),
    "shp": named("history", "human_ref_A", "human_ref_B"),
    "pku_saferlhf": named("prompt", "response_0", "response_1"),
    "webgpt": webgpt,
    "arena": arena,
    "arena_55k": arena_55k,
    "arena_140k": arena_140k,
    "nemo_rank": nemo_rank,
    "nemo_dpo": nemo_dpo,
    "nemo_kto": named("prompt", "response"),
    "summarize_comparison": summarize_comparison,
    "summarize_axes": summarize_axes,
}
