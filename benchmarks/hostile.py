"""How much CPU time do hostile records need, from their bytes to an event or a reason?

    python -m benchmarks.hostile [--sizes 50 100 200 400]

Each kind of record is built to make some step of reading slow: long runs of combining marks, deep nesting, long
numbers, very many keys, turns, answers or judgements, texts that match a pattern nearly. A file with one such record is
inspected and read into an event, its groups, its stored form and its votes. Prints the CPU seconds by size in kB.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from feedback import inspection, lines, store
from feedback.groups import regroup
from feedback.preferences import demonstrations, preferences
from feedback.schema import FeedbackEvent
from feedback.split import SplitSettings

PAIR = {"prompt": "Is it open?", "chosen": "Yes.", "rejected": "No."}


def _pair(**fields: object) -> bytes:
    return json.dumps(PAIR | fields, ensure_ascii=False).encode()


def _ranking(answers: Sequence[str], **fields: object) -> bytes:
    """A ranking of these answers, from the best to the worst."""
    ranks = list(range(1, len(answers) + 1))
    record = {"kind": "ranking", "prompt": "Which?", "responses": answers, "judgements": [{"ranks": ranks}]}
    return json.dumps(record | fields).encode()


def _turns(count: int, last: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    turns = [{"role": roles[ix % 2], "content": "a"} for ix in range(count - count % 2 + 1)]
    return [*turns, {"role": "assistant", "content": last}]


def _different_at(place: int, size: int) -> bytes:
    """Two conversations that differ in the middle, and so have no common prompt before the last turn."""
    chosen, rejected = _turns(size // 80, "yes"), _turns(size // 80, "no")
    rejected[len(rejected) * place // 100]["content"] = "b"
    return json.dumps({"chosen": chosen, "rejected": rejected}).encode()


def _scored(size: int) -> bytes:
    """Ratings of very many answers under one criterion, all of the same text."""
    count = size // 12
    record = {"kind": "rating", "prompt": "Good?", "responses": [f"a{ix % 2}" for ix in range(count)]}
    scores = [{"scores": [ix % 2 for ix in range(count)], "scale_min": 0, "scale_max": 1}]
    return json.dumps(record | {"judgements": scores}).encode()


def _judged(size: int) -> bytes:
    """Very many judgements by one criterion."""
    judgements = [{"ranks": [1, 2], "scores": [2, 1]}] * (size // 40)
    return _ranking(["Yes.", "No."], judgements=judgements)


def _texts(size: int, answers: int) -> bytes:
    """As many answers as a record may have, with one long common beginning."""
    return _ranking([f"{'a ' * (size // answers // 2)}{ix}" for ix in range(answers)])


KINDS: Mapping[str, Callable[[int], bytes]] = {
    "combining marks in a prompt": lambda size: _pair(prompt="a" + "\u0301\u0316" * (size // 4)),
    "combining marks in an answer": lambda size: _pair(chosen="a" + "\u0316\u0301" * (size // 4)),
    "marks that decompose": lambda size: _pair(prompt="\u0f73\u0301" * (size // 5)),
    "marks under compatibility": lambda size: _pair(prompt="\uff9e\u0301" * (size // 5)),
    "ligatures": lambda size: _pair(prompt="\ufdfa" * (size // 3)),
    "nested lists": lambda size: _pair(more=0).replace(b": 0", b": " + b"[" * (size // 2) + b"]" * (size // 2)),
    "nested objects": lambda size: _pair(more=0).replace(
        b": 0", b": " + b'{"a":' * (size // 6) + b"0" + b"}" * (size // 6)
    ),
    "nested JSON in a text": lambda size: _pair(extra="{" + '"a":{' * (size // 8) + "}" * (size // 8) + "}"),
    "turns written as JSON": lambda size: _pair(prompt="[" * size),
    "an integer": lambda size: _pair(more=0).replace(b": 0", b": " + b"9" * size),
    "a fraction": lambda size: _pair(more=0).replace(b": 0", b": 0." + b"9" * size),
    "a number as text": lambda size: _pair(duration_ms="9" * size),
    "keys": lambda size: _pair(**{f"k{ix}": ix for ix in range(size // 15)}),
    "keys like a prompt": lambda size: _pair(**{f"prompt {ix}": "" for ix in range(size // 18)}),
    "turns": lambda size: json.dumps({"prompt": _turns(size // 40, "x")[:-1], "completion": "b"}).encode(),
    "conversations, different at the end": lambda size: _different_at(90, size),
    "conversations, different in the middle": lambda size: _different_at(50, size),
    "system turns": lambda size: json.dumps(
        {"prompt": [{"role": "system", "content": "a"}] * (size // 80) + [{"role": "user", "content": "q"}]}
        | {"completion": [{"role": "system", "content": "a"}] * (size // 80) + [{"role": "assistant", "content": "b"}]}
    ).encode(),
    "a transcript": lambda size: _pair(prompt="\n\nHuman: a\n\nAssistant: b" * (size // 28) + "\n\nHuman: c"),
    "an empty transcript": lambda size: _pair(prompt="\n\nHuman:" * (size // 9)),
    "answers": lambda size: _ranking([str(ix) for ix in range(size // 14)]),
    "equal answers": lambda size: _ranking(["a"] * (size // 9)),
    "long answers": lambda size: _texts(size, 100),
    "long answers with a long prompt": lambda size: _ranking([str(ix) for ix in range(100)], prompt="a " * (size // 2)),
    "ratings": _scored,
    "judgements": _judged,
    "annotator groups": lambda size: _pair(annotator_groups={f"g{ix}": "x" for ix in range(size // 14)}),
    "flags": lambda size: _pair(flags=[f"f{ix}" for ix in range(size // 10)]),
    "quotation marks": lambda size: _pair(kind="'\"" * (size // 3), annotator_type="'" * (size // 2)),
    "white space": lambda size: _pair(prompt="a" + " \n" * (size // 3) + "b"),
    "one long word": lambda size: _pair(prompt="a" * size),
    "punctuation": lambda size: _pair(chosen="!?." * (size // 3)),
    "different words": lambda size: _pair(prompt=" ".join(map(str, range(size // 7)))),
    "escapes": lambda size: _pair(more="").replace(b'"more": ""', b'"more": "' + b"\\u0301" * (size // 6) + b'"'),
    "surrogates": lambda size: _pair(more="").replace(b'"more": ""', b'"more": "' + b"\\ud800" * (size // 6) + b'"'),
}
"""Kind → a record of about so many bytes."""


def read(record: bytes, folder: Path) -> str:
    """Take a record through all steps to votes; the reason if it cannot be used, else an empty text."""
    file = folder / "record.jsonl"
    file.write_bytes(record + b"\n")
    inspection.inspect(file)
    [event] = lines.events(file, "hostile", {})
    if not isinstance(event, FeedbackEvent):
        return event.reason
    grouped = regroup([event])
    store.append(folder / "store", grouped, 0)
    stored = list(store.stored(folder / "store"))
    preferences(stored, SplitSettings(), "salt")
    demonstrations(stored, SplitSettings(), "salt")
    return ""


def seconds(record: bytes) -> float:
    """CPU seconds to read a record."""
    with tempfile.TemporaryDirectory() as folder:
        before = time.process_time()
        read(record, Path(folder))
        return time.process_time() - before


def table(sizes: Iterable[int]) -> str:
    """A row per kind, a column per size in kB."""
    given = list(sizes)
    rows = [f"| record | {' | '.join(f'{size} kB' for size in given)} |", "|---" * (len(given) + 1) + "|"]
    for name, make in KINDS.items():
        measured = [seconds(make(size * 1000)) for size in given]
        rows.append(f"| {name} | {' | '.join(f'{value:.2f}' for value in measured)} |")
    return "\n".join(rows)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 200, 400], help="kB of a record")
    seconds(KINDS["flags"](1000))  # imports and caches
    seconds(KINDS["marks that decompose"](1000))
    print(table(parser.parse_args().sizes))


if __name__ == "__main__":
    main()
