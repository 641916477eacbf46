"""Shapes of preference files in public repositories that are no known form: made-up texts, and the map that reads them.

The better answer is `GOOD`, also where values, positions and names decide.
"""

from typing import Any, NamedTuple

GOOD = "Close the valve, let the kettle cool down, and replace the seal."
BAD = "Kettles sometimes leak, which is a pity but cannot be helped."
ODD = "Have you tried a kettle made of another material, such as glass?"
Q = "My kettle leaks. What should I do with it now?"

Record = dict[str, Any]


class Shape(NamedTuple):
    """Some records, their map, and what must come out."""

    name: str
    records: list[Record]
    map: str
    outcomes: list[str]
    """Per record: the best answer, an outcome such as `tie`, or the score of a single answer."""
    roles: tuple[str, ...] = ("user",)
    """Roles of the turns of the prompt."""
    strengths: tuple[float | None, ...] = ()


def pair(first: str, second: str, good_is_first: bool = True) -> Record:
    return {first: GOOD, second: BAD} if good_is_first else {first: BAD, second: GOOD}


def turn(role: str, text: str) -> Record:
    return {"role": role, "content": text}


SHAPES = [
    Shape(
        "a number that names the output",  # LLMBar
        [
            {"input": Q, **pair("output_1", "output_2"), "label": 1},
            {"input": Q, **pair("output_1", "output_2", False), "label": 2},
        ],
        """
        prompt: input
        answers: [output_1, output_2]
        winner: {path: label, values: {1: 0, 2: 1}}
        """,
        [GOOD, GOOD],
    ),
    Shape(
        "three annotators in columns, an instruction with an input",  # PandaLM
        [
            {"idx": "0", "instruction": "Answer the customer.", "input": Q, **pair("response1", "response2"), **votes}
            for votes in (
                {"annotator1": "1", "annotator2": "1", "annotator3": "0"},
                {"annotator1": "0", "annotator2": "1", "annotator3": "2"},
            )
        ],
        """
        prompt: [instruction, input]
        answers: [response1, response2]
        winner: {path: annotator1, values: {1: 0, 2: 1, 0: tie}}
        constant: {annotator_id: annotator 1 of PandaLM}
        """,
        [GOOD, "tie"],
    ),
    Shape(
        "a list of answers with ranks",  # Nectar
        [
            {
                "prompt": Q,
                "answers": [
                    {"answer": BAD, "model": "x", "rank": 2.0},
                    {"answer": GOOD, "model": "y", "rank": 1.0},
                    {"answer": ODD, "model": "z", "rank": 3.0},
                ],
                "turns": 1,
                "num_responses": 3,
            }
        ],
        """
        prompt: prompt
        answers: "answers[*].answer"
        models: "answers[*].model"
        scores: {paths: "answers[*].rank", best: lowest}
        """,
        [GOOD],
    ),
    Shape(
        "lists of answers of different lengths, with scores",  # Stack Exchange preferences
        [
            {"qid": 1, "question": Q, "answers": [{"text": BAD, "pm_score": 1}, {"text": GOOD, "pm_score": 5}]},
            {
                "qid": 2,
                "question": Q,
                "answers": [{"text": text, "pm_score": score} for text, score in ((BAD, 0), (ODD, 2), (GOOD, 4))],
            },
        ],
        """
        prompt: question
        answers: "answers[*].text"
        scores: {paths: "answers[*].pm_score", best: highest}
        """,
        [GOOD, GOOD],
    ),
    Shape(
        "chosen and rejected below a system prompt",  # Orca DPO pairs
        [{"system": "You are a help desk.", "question": Q, **pair("chosen", "rejected")}],
        """
        prompt: question
        system: system
        answers: [chosen, rejected]
        order: best_first
        """,
        [GOOD],
        ("system", "user"),
    ),
    Shape(
        "a list of outputs, the better one first",  # LLaMA-Factory's older comparisons
        [{"instruction": Q, "input": "", "output": [GOOD, BAD]}],
        """
        prompt: [instruction, input]
        answers: "output[*]"
        order: best_first
        """,
        [GOOD],
    ),
    Shape(
        "a conversation with its better answer, the worse one beside it",  # ms-swift
        [{"messages": [turn("user", Q), turn("assistant", GOOD)], "rejected_response": BAD}],
        """
        prompt: "messages[:-1]"
        answers: ["messages[-1].content", rejected_response]
        order: best_first
        """,
        [GOOD],
    ),
    Shape(
        "Likert texts of several annotators",  # MultiPref
        [
            {
                "text": Q,
                **pair("completion_a", "completion_b", False),
                "model_a": "x",
                "model_b": "y",
                "normal_worker_annotations": [
                    {"evaluator": "w1", "overall_pref": value, "helpful_pref": "Tie"},
                    {"evaluator": "w2", "overall_pref": "Tie", "helpful_pref": "Tie"},
                ],
            }
            for value in ("B-is-clearly-better", "B-is-slightly-better", "Tie")
        ],
        """
        prompt: text
        answers: [completion_a, completion_b]
        models: [model_a, model_b]
        winner:
          path: "normal_worker_annotations[0].overall_pref"
          values:
            A-is-clearly-better: [0, 2]
            A-is-slightly-better: [0, 1]
            Tie: tie
            B-is-slightly-better: [1, 1]
            B-is-clearly-better: [1, 2]
        criteria:
          helpfulness:
            winner: {path: "normal_worker_annotations[0].helpful_pref", values: {Tie: tie, B-is-clearly-better: 1}}
        fields: {annotator_id: "normal_worker_annotations[0].evaluator"}
        """,
        [GOOD, GOOD, "tie"],
        strengths=(2, 1, None),
    ),
    Shape(
        "another criterion in each record",  # calibration sets of model judges
        [
            {
                "pair_id": "1",
                "axis": axis,
                "prompt": Q,
                **pair("response_a", "response_b"),
                "human_preference": vote,
                "labeler_id": "ann",
                "labeled_at": "2026-01-01T00:00:00Z",
            }
            for axis, vote in (("tone", "A"), ("depth", "tie"))
        ],
        """
        prompt: prompt
        answers: [response_a, response_b]
        winner: {path: human_preference, values: {A: 0, B: 1, tie: tie}}
        criterion_path: axis
        fields: {annotator_id: labeler_id, created_at: labeled_at}
        """,
        [GOOD, "tie"],
    ),
    Shape(
        "a dialogue of other keys, and the index of the best candidate",
        [
            {
                "dialog": [
                    {"speaker": "USER", "utterance": "My kettle leaks."},
                    {"speaker": "BOT", "utterance": "Since when?"},
                    {"speaker": "USER", "utterance": "Since Monday, and it gets worse."},
                ],
                "candidates": [{"text": BAD}, {"text": GOOD}, {"text": ODD}],
                "best": 1,
            }
        ],
        """
        prompt: dialog
        answers: "candidates[*].text"
        turns: {role: speaker, content: utterance, speakers: {USER: user, BOT: assistant}}
        winner: {path: best, positions_from: 0}
        """,
        [GOOD],
        ("user", "assistant", "user"),
    ),
    Shape(
        "a ranking as a list of indexes",
        [{"prompt": Q, "generations": [BAD, ODD, GOOD], "ranking": [2, 0, 1]}],
        """
        prompt: prompt
        answers: "generations[*]"
        order: {path: ranking, best: first, positions_from: 0}
        """,
        [GOOD],
    ),
    Shape(
        "the columns of a survey",
        [
            {"Question": Q, **pair("Choice A", "Choice B"), "Preferred": "Choice A", "Rater": "7"},
            {"Question": Q, **pair("Choice A", "Choice B", False), "Preferred": "Choice B", "Rater": "8"},
            {"Question": Q, **pair("Choice A", "Choice B"), "Preferred": "Both equally good", "Rater": "8"},
        ],
        """
        prompt: Question
        answers: [Choice A, Choice B]
        winner:
          path: Preferred
          values: {Choice A: 0, Choice B: 1, Both equally good: tie_both_good}
        fields: {annotator_id: Rater}
        """,
        [GOOD, GOOD, "tie_both_good"],
    ),
    Shape(
        "a rate of wins of the first model",
        [
            {"task": Q, **pair("model_1_output", "model_2_output"), "model_1": "x", "model_2": "y", "win_rate": 0.75},
            {"task": Q, **pair("model_1_output", "model_2_output", False), "win_rate": 0.25},
            {"task": Q, **pair("model_1_output", "model_2_output"), "win_rate": 0.5},
        ],
        """
        prompt: task
        answers: [model_1_output, model_2_output]
        winner: {path: win_rate, numbers: {middle: 0.5, above: 0, scale: [0, 1]}}
        """,
        [GOOD, GOOD, "tie"],
        strengths=(0.25, 0.25, None),
    ),
    Shape(
        "answers by the names of their models, and the name of the winner",
        [{"prompt": Q, "responses": {"x": BAD, "y": GOOD}, "winner": "y"}],
        """
        prompt: prompt
        answers: "responses[*]"
        models: "responses[#]"
        winner: {path: winner, equals: "responses[#]"}
        """,
        [GOOD],
    ),
    Shape(
        "numbers from -2 to 2",
        [
            {"instruction": Q, **pair("response_a", "response_b"), "preference_score": -2},
            {"instruction": Q, **pair("response_a", "response_b", False), "preference_score": 1},
            {"instruction": Q, **pair("response_a", "response_b"), "preference_score": 0},
        ],
        """
        prompt: instruction
        answers: [response_a, response_b]
        winner: {path: preference_score, values: {-2: [0, 2], -1: [0, 1], 0: tie, 1: [1, 1], 2: [1, 2]}}
        """,
        [GOOD, GOOD, "tie"],
        strengths=(2, 1, None),
    ),
    Shape(
        "the text of the best answer",
        [{"question": Q, "options": [BAD, GOOD], "best_answer": GOOD}],
        """
        prompt: question
        answers: "options[*]"
        winner: {path: best_answer, equals: "options[*]"}
        """,
        [GOOD],
    ),
    Shape(
        "letters in order, with a tie",
        [{"prompt": Q, "responses": {"A": BAD, "B": GOOD, "C": ODD}, "ranking": "B > A = C", "annotator": "bo"}],
        """
        prompt: prompt
        answers: "responses[*]"
        order: {path: ranking, best: first, equals: "responses[#]"}
        fields: {annotator_id: annotator}
        """,
        [GOOD],
    ),
    Shape(
        "a conversation with a thumb",
        [{"messages": [turn("user", Q), turn("assistant", BAD)], "label": False}],
        """
        prompt: "messages[:-1]"
        answers: ["messages[-1].content"]
        winner: {path: label, values: {true: good, false: bad}}
        """,
        ["0.0"],
    ),
]
