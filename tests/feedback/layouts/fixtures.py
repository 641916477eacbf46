"""One record of each form, or several where values decide; the better answer is always `good`."""

import json
from typing import Any, NamedTuple

DEFAULTS = {"source": "s", "source_id": "1"}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def human(text: str) -> dict[str, str]:
    return {"from": "human", "value": text}


def gpt(text: str) -> dict[str, str]:
    return {"from": "gpt", "value": text}


def two(first: str, second: str, good_is_first: bool, prompt: str | None = "Q?") -> dict[str, Any]:
    """Two answers under these names, and the prompt."""
    texts = ("good", "bad") if good_is_first else ("bad", "good")
    return dict(zip((first, second), texts, strict=True)) | ({"prompt": prompt} if prompt else {})


def parts(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text}]


def said(question: str, answer: str) -> list[dict[str, Any]]:
    """A conversation of the Arena, with contents as lists of parts."""
    return [{"role": "user", "content": parts(question)}, {"role": "assistant", "content": parts(answer)}]


def exchange(question: str, first: str, second: str) -> dict[str, Any]:
    """An exchange in the full conversation of the Arena."""
    user, side_a = said(question, first)
    return {"user": user, "model_side_a": side_a, "model_side_b": said(question, second)[1]}


def ultrafeedback_completion(response: str, overall: object, ratings: tuple[str, ...]) -> dict[str, Any]:
    names = ("instruction_following", "honesty", "truthfulness", "helpfulness")
    return {
        "model": "gpt-4",
        "principle": "helpfulness",
        "custom_system_prompt": "Be helpful.",
        "response": response,
        "annotations": {
            name: {"Rating": rating, "Rationale": "Because."} for name, rating in zip(names, ratings, strict=True)
        },
        "fine-grained_score": 2.5,
        "overall_score": overall,
        "critique": "It could be better.",
    }


POST = {"id": "t3_1", "post": "My kettle leaks.", "title": "Kettle", "subreddit": "AskKettles"}
POST_PROMPT = "SUBREDDIT: r/AskKettles\n\nTITLE: Kettle\n\nPOST: My kettle leaks.\n\nTL;DR:"
ARTICLE = {"id": "a1", "site": "cnn", "title": "Kettles", "article": "All kettles leak."}


class Fixture(NamedTuple):
    """One record of a form, in which the better answer is always `good`."""

    layout: str
    record: dict[str, Any]
    kind: str = "comparison"
    prompt: tuple[str, ...] = ("Q?",)
    outcome: str = "good"
    """`good`, an outcome such as `tie`, or the score of a single answer."""


FIXTURES = [
    Fixture("preference", {"prompt": "Q?", "chosen": "good", "rejected": "bad"}),
    Fixture("preference", {"prompt": [user("Q?")], "chosen": [assistant("good")], "rejected": [assistant("bad")]}),
    Fixture(
        "implicit_preference", {"chosen": [user("Q?"), assistant("good")], "rejected": [user("Q?"), assistant("bad")]}
    ),
    Fixture(
        "openai_dpo",
        {
            "input": {"messages": [user("Q?")]},
            "preferred_output": [assistant("good")],
            "non_preferred_output": [assistant("bad")],
        },
    ),
    Fixture("demonstration", {"prompt": "Q?", "completion": "good"}, "demonstration"),
    Fixture("messages", {"messages": [user("Q?"), assistant("good")]}, "demonstration"),
    Fixture("unpaired", {"prompt": "Q?", "completion": "good", "label": True}, "binary", outcome="1.0"),
    Fixture("unpaired", {"prompt": "Q?", "completion": "bad", "label": False}, "binary", outcome="0.0"),
    Fixture("hh", {"chosen": "\n\nHuman: Q?\n\nAssistant: good", "rejected": "\n\nHuman: Q?\n\nAssistant: bad"}),
    Fixture(
        "ultrafeedback_binarized",
        {
            "prompt": "Q?",
            "prompt_id": "f0e3",
            "chosen": [user("Q?"), assistant("good")],
            "rejected": [user("Q?"), assistant("bad")],
            "messages": [user("Q?"), assistant("good")],
            "score_chosen": 8.5,
            "score_rejected": 3.0,
        },
    ),
    Fixture("alpaca", {"instruction": "Q?", "input": "", "output": "good", "text": "…"}, "demonstration"),
    Fixture("alpaca", {"instruction": "Sum up:", "input": "Q?", "output": "good"}, "demonstration", ("Sum up:\n\nQ?",)),
    Fixture("sharegpt", {"conversations": [human("Q?"), gpt("good")]}, "demonstration"),
    *(
        Fixture(layout, {**record, "kto_tag": tag}, "binary", outcome=outcome)
        for tag, outcome in ((True, "1.0"), (False, "0.0"))
        for layout, record in (
            ("alpaca", {"instruction": "Q?", "output": "bad"}),
            ("sharegpt", {"conversations": [human("Q?"), gpt("bad")]}),
            ("messages", {"messages": [user("Q?"), assistant("bad")]}),
        )
    ),
    Fixture("sharegpt_preference", {"conversations": [human("Q?")], "chosen": gpt("good"), "rejected": gpt("bad")}),
    Fixture(
        "helpsteer",
        {
            "prompt": "Q?",
            "response": "good",
            "helpfulness": 4,
            "correctness": 3,
            "coherence": 4,
            "complexity": 1,
            "verbosity": 0,
        },
        "rating",
        outcome="4.0",
    ),
    *(
        Fixture(
            "helpsteer2_preference",
            {**two("response_1", "response_2", first), "preference_strength": strength},
            outcome=outcome,
        )
        for first, strength, outcome in ((True, -2, "good"), (False, 3, "good"), (True, 0, "tie"))
    ),
    *(
        Fixture(
            "helpsteer3",
            {"context": [user("Q?")], **two("response1", "response2", first, None), "overall_preference": preference},
            outcome=outcome,
        )
        for first, preference, outcome in ((True, -1, "good"), (False, 2, "good"), (True, 0, "tie"))
    ),
    Fixture("shp", {"history": "Q?", **two("human_ref_A", "human_ref_B", True, None), "labels": 1}),
    Fixture("shp", {"history": "Q?", **two("human_ref_A", "human_ref_B", False, None), "labels": 0}),
    Fixture("pku_saferlhf", two("response_0", "response_1", True) | {"better_response_id": 0, "safer_response_id": 1}),
    Fixture("pku_saferlhf", two("response_0", "response_1", False) | {"better_response_id": 1, "safer_response_id": 1}),
    *(
        Fixture(
            "webgpt",
            {
                "question": {"full_text": "Q?", "dataset": "eli5"},
                **two("answer_0", "answer_1", first, None),
                "score_0": score,
                "score_1": -score,
            },
            outcome=outcome,
        )
        for first, score, outcome in ((True, 0.5, "good"), (False, -1.0, "good"), (True, 0.0, "tie"))
    ),
    *(
        Fixture(
            "alpaca_eval",
            {"instruction": "Q?", **two("output_1", "output_2", first, None), "preference": preference},
            outcome=outcome,
        )
        for first, preference, outcome in (
            (True, 1, "good"),
            (False, 2.0, "good"),
            (True, 1.5, "tie"),
            (True, 0, "tie"),
            (True, 1.2, "good"),
        )
    ),
    *(
        Fixture(
            "arena",
            {
                "model_a": "a",
                "model_b": "b",
                "winner": winner,
                "conversation_a": [user("Q?"), assistant("good" if winner == "model_a" else "bad")],
                "conversation_b": [user("Q?"), assistant("bad" if winner == "model_a" else "good")],
            },
            outcome=outcome,
        )
        for winner, outcome in (
            ("model_a", "good"),
            ("model_b", "good"),
            ("tie", "tie"),
            ("tie (bothbad)", "tie_both_bad"),
            ("both_bad", "tie_both_bad"),
        )
    ),
    *(
        Fixture(
            "arena_55k",
            {
                "prompt": '["Q?", "And?"]',
                "response_a": json.dumps(["So.", "good" if first else "bad"]),
                "response_b": json.dumps(["So.", "bad" if first else "good"]),
                "winner_model_a": int(first and not tie),
                "winner_model_b": int(not first and not tie),
                "winner_tie": int(tie),
            },
            prompt=("Q?", "So.", "And?"),
            outcome="tie" if tie else "good",
        )
        for first, tie in ((True, False), (False, False), (True, True))
    ),
    Fixture(
        "ultrafeedback",
        {
            "source": "evol_instruct",
            "instruction": "Q?",
            "models": ["gpt-4", "gpt-4", "gpt-4"],
            "completions": [
                ultrafeedback_completion("bad", 10, ("1", "2", "1", "1")),
                ultrafeedback_completion("good", 7.5, ("4", "4", "N/A", "5")),
                ultrafeedback_completion("so so", "6", ("3", "3", "3", "3")),
            ],
            "correct_answers": ["None"],
            "incorrect_answers": ["None"],
        },
        "ranking",
    ),
    Fixture(
        "distilabel",
        {
            "instruction": "Q?",
            "generations": ["bad", "good", "so so"],
            "generation_models": ["a", "b", "c"],
            "ratings": [1, 5, None],
            "rationales": ["r", "r", "r"],
            "ultrafeedback_model": "gpt-4",
        },
        "ranking",
    ),
    Fixture("distilabel", {"instruction": "Q?", "generations": ["good", "bad"], "ratings": [4, 2]}),
    Fixture(
        "nemo_rank",
        {
            "context": [user("Q?")],
            "completions": [
                {"rank": 1, "completion": [assistant("bad")], "reward": 0},
                {"rank": 0, "completion": [assistant("good")], "reward": 2},
            ],
        },
    ),
    Fixture(
        "nemo_rank",
        {
            "prompt": "Q?",
            "completions": [
                {"rank": rank, "completion": text} for rank, text in ((2, "bad"), (1, "so so"), (0, "good"))
            ],
        },
        "ranking",
    ),
    Fixture("nemo_dpo", {"prompt": "Q?", "chosen_response": "good", "rejected_response": "bad", "chosen_reward": 5}),
    Fixture(
        "nemo_dpo",
        {
            "prompt": "<extra_id_0>System\nBe kind.\n<extra_id_1>User\nQ?\n<extra_id_1>Assistant\n",
            "chosen_response": "good\n<extra_id_1>",
            "rejected_response": "bad\n<extra_id_1>",
        },
        prompt=("Be kind.", "Q?"),
    ),
    Fixture("nemo_kto", {"prompt": "Q?", "response": "good", "preference": "chosen"}, "binary", outcome="1.0"),
    Fixture("nemo_kto", {"prompt": "Q?", "response": "bad", "preference": "rejected"}, "binary", outcome="0.0"),
    Fixture(
        "steerlm",
        {
            "system": "Be kind.",
            "mask": "User",
            "type": "VALUE_TO_TEXT",
            "conversations": [
                {"from": "User", "value": "Q?", "label": None},
                {"from": "Assistant", "value": "good", "label": "helpfulness:4,verbosity:1"},
            ],
        },
        "rating",
        ("Be kind.", "Q?"),
        "4.0",
    ),
    *(
        Fixture(
            "summarize_comparison",
            {
                "info": POST,
                "summaries": [
                    {"text": " " + texts[0], "policy": "sup4", "note": None},
                    {"text": texts[1], "policy": "ref", "note": "Unclear."},
                ],
                "choice": choice,
                "worker": "w1",
                "batch": "batch9",
                "split": "train",
                "extra": {"confidence": 8},
            },
            prompt=(POST_PROMPT,),
            outcome=" good" if choice == 0 else "good",
        )
        for choice, texts in ((1, ("bad", "good")), (0, ("good", "bad")))
    ),
    Fixture(
        "summarize_axes",
        {
            "info": ARTICLE,
            "split": "test",
            "summary": {
                "text": "good",
                "policy": "ref",
                "note": "",
                "axes": {"overall": 6, "accuracy": 5, "coverage": 4, "coherence": 2},
            },
            "worker": "w1",
            "batch": "cnndm1",
        },
        "rating",
        ("TITLE: Kettles\n\nAll kettles leak.\n\nTL;DR:",),
        "6.0",
    ),
    *(
        Fixture(
            "arena_140k",
            {
                "id": "1",
                "model_a": "a",
                "model_b": "b",
                "winner": winner,
                "evaluation_order": 2,
                "conversation_a": said("Q?", first),
                "conversation_b": said("Q?", second),
                "full_conversation": [exchange("Hello.", "Hi.", "Hi."), exchange("Q?", first, second)],
            },
            prompt=("Hello.", "Hi.", "Q?"),
            outcome=outcome,
        )
        for winner, first, second, outcome in (
            ("model_a", "good", "bad", "good"),
            ("model_b", "bad", "good", "good"),
            ("both_bad", "bad", "worse", "tie_both_bad"),
        )
    ),
    Fixture(
        "helpsteer3_edit",
        {
            "domain": "general",
            "context": [user("Q?")],
            "original_response": "bad",
            "edited_response": "good",
            "feedback": ["Too short."],
            "change_summary": "Longer.",
        },
        "correction",
    ),
]


def named(fixture: Fixture) -> str:
    return f"{fixture.layout} {fixture.outcome}"
