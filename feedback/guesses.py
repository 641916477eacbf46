"""A map to complete: the role of each column, guessed from the names and values of the first records.

A guess never decides which answer is better: that part is left open (`TODO`), and a map with a `TODO` is refused.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from core.yaml_text import text_of
from feedback.columns import JUDGING, Column, columns, speaker_and_text
from feedback.fieldmap import OPEN
from feedback.layouts import is_like_a_mark, list_of_records, unwrapping
from feedback.paths import EACH, NAMES

PROMPTS = (
    *("prompt", "instruction", "question", "query", "messages", "conversation", "dialog", "context", "history", "post"),
    *("input", "request", "turns", "text", "title", "article", "source_text"),
)
"""Parts of names of columns with prompts, the most reliable first."""
ANSWERS = (
    *("response", "completion", "answer", "output", "candidate", "generation", "reply", "summary", "option", "choice"),
    *("chosen", "rejected", "better", "worse", "text", "content"),
)
"""Parts of names of columns with answers, the most reliable first."""
SIDES = (
    *(("a", "b"), ("1", "2"), ("0", "1"), ("left", "right"), ("first", "second"), ("chosen", "rejected")),
    *(("better", "worse"), ("best", "worst"), ("good", "bad"), ("winner", "loser"), ("preferred", "rejected")),
    *(("j", "k"), ("x", "y"), ("one", "two"), ("positive", "negative"), ("win", "lose"), ("accepted", "rejected")),
)
"""Parts of names in which the columns of two answers differ."""
BY_RANK = {
    first for first, second in SIDES if second in ("rejected", "worse", "worst", "bad", "loser", "k", "negative")
}
NO_ANSWERS = ("model", "id", "score", "rating", "rank", "author", "name", "generator", "policy", "label", "source")
FIELDS = {
    "annotator_id": (
        "annotator",
        "worker",
        "rater",
        "labeler",
        "labeller",
        "evaluator",
        "reviewer",
        "judge",
        "user_id",
    ),
    "created_at": ("created", "timestamp", "tstamp", "time", "date", "labeled_at", "labelled_at"),
    "licence": ("licence", "license"),
    "duration_ms": ("duration_ms",),
}
"""Field of the canonical form → parts of names of columns that may hold it."""


class Guess(NamedTuple):
    """The likely role of each column."""

    prompts: list[Column]
    system: Column | None
    answers: list[Column]
    by_rank: bool
    """Whether the names of the answers show which is better."""
    judging: list[Column]
    scores: list[Column]
    models: list[Column]
    fields: dict[str, Column]
    others: list[Column]
    empty: list[str]
    """Names of columns that are null in all records."""


def template(records: Sequence[Mapping[str, Any]]) -> str:
    """A map to complete, as YAML, for a file whose first records are these.

    If the file is one object that holds all records, it is a comment with the command that takes them out.
    """
    if len(records) == 1 and (name := list_of_records(records[0])):
        return f"# The records are in a list under {name}; {unwrapping(name)}\n"
    read = columns(records)
    empty = {name for record in records for name in record} - {name for column in read for name in _heads(column)}
    guess = guessed(read)._replace(empty=sorted(empty))
    return "\n".join(_lines(guess, len(records))) + "\n"


def guessed(all_columns: Sequence[Column]) -> Guess:
    """The likely role of each column."""
    answers = _answers(all_columns)
    rest = [column for column in all_columns if column not in answers and not _is_inside(column, answers)]
    system = next((column for column in rest if column.name.startswith("system")), None)
    prompts = _prompts([column for column in rest if column is not system])
    rest = [column for column in rest if column not in (*prompts, system)]
    fields = {field: column for field, words in FIELDS.items() if (column := _field(rest, words)) is not None}
    rest = [column for column in rest if column not in fields.values()]
    models = _beside(rest, answers, ("model", "generator", "policy"))
    scores = [column for column in _beside(rest, answers, ("score", "rating", "rank", "vote")) if column.is_number]
    rest = [column for column in rest if column not in (*models, *scores)]
    judging = _judging(rest, [*answers, *models])
    names_rank = bool(answers) and not answers[0].is_many and bool(BY_RANK & set(_tokens(answers[0].name)))
    others = [column for column in rest if column not in judging]
    return Guess(prompts, system, answers, names_rank, judging, scores, models, fields, others, [])


def _answers(all_columns: Sequence[Column]) -> list[Column]:
    """Two or more columns whose names differ in one part, a list of texts, or a single column."""
    texts = [column for column in all_columns if _holds_text(column) and not column.is_called(("system",))]
    groups = [group for group in _groups(texts) if not _is_about(group[0])]
    by_name = _by_name(texts)
    if by_name:
        return by_name
    many = [column for column in texts if column.is_many and column.is_called(ANSWERS) and not _is_note(column)]
    if groups and not (many and max(map(_length, many)) > max(map(_length, groups[0]))):
        return max(groups, key=lambda group: (_reliability(group[0], ANSWERS), group[0].length))
    if many:
        return [max(many, key=lambda column: (_reliability(column, ANSWERS), column.length))]
    single = [column for column in texts if column.is_called(ANSWERS[:9])]
    return [max(single, key=lambda column: _reliability(column, ANSWERS))] if single else []


def _by_name(texts: Sequence[Column]) -> list[Column]:
    """The values of an object of answers, `{"responses": {"model x": …, "model y": …}}`, as one column of many."""
    heads: dict[str, list[Column]] = {}
    for column in texts:
        head, _, _ = column.path.rpartition(".")
        if head and EACH not in column.path:
            heads.setdefault(head, []).append(column)
    for head, inner in heads.items():
        if len(inner) > 1 and Column(head, []).is_called(ANSWERS):
            return [Column(head + EACH, [value for column in inner for value in column.values])]
    return []


def _is_inside(column: Column, answers: Sequence[Column]) -> bool:
    """Whether the column is one of the values that `[*]` at the end of the path of the answers stands for."""
    return any(column.path.startswith(answer.path.removesuffix(EACH) + ".") for answer in answers if answer.is_many)


def _is_about(column: Column) -> bool:
    """Whether the last part of the name, apart from the side, is that of something about an answer."""
    sides = {side for pair in SIDES for side in pair}
    tokens = [token for token in _tokens(column.name) if token not in sides]
    return bool(tokens) and tokens[-1] in NO_ANSWERS


def _groups(texts: Sequence[Column]) -> list[list[Column]]:
    """Columns of which the names differ only in a side (`_a`, `_b`) or in a number."""
    named: dict[tuple[str, ...], list[Column]] = {}
    for column in texts:
        tokens = _tokens(column.path)
        for ix, token in enumerate(tokens):
            for kind in _kinds(token):
                named.setdefault((*tokens[:ix], kind, *tokens[ix + 1 :]), []).append(column)
    return [group for group in named.values() if len(group) > 1]


def _kinds(token: str) -> Iterator[str]:
    """The pairs of sides that a part of a name belongs to; numbers and letters belong together."""
    if token.isdigit() or (len(token) == 1 and token in "abcdefgh"):
        yield "digit" if token.isdigit() else "letter"
    else:
        yield from (f"{first}/{second}" for first, second in SIDES if token in (first, second))


def _tokens(name: str) -> list[str]:
    """The parts of a name in lower case: `Response A`, `response_a` and `responseA` are `response`, `a`."""
    return [part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|\[\*\]", name)]


def _prompts(rest: Sequence[Column]) -> list[Column]:
    """The column whose name is most likely that of a prompt; instruction and input belong together."""
    texts = [column for column in rest if _holds_text(column) and not column.is_many and not _is_about(column)]
    named = sorted(
        (column for column in texts if column.is_called(PROMPTS)), key=lambda one: _reliability(one, PROMPTS)
    )
    if not named:
        return [max(texts, key=_length)] if texts else []
    best = named[-1]
    below = [column for column in texts if best.name == "instruction" and column.name == "input"]
    return [best, *below]


def _judging(rest: Sequence[Column], named: Sequence[Column]) -> list[Column]:
    """Columns that may state which answer is better, the most reliable first."""
    known = {text_of(value) for column in named for value in column.values}
    likely = [
        column
        for column in rest
        if not column.is_called(("confiden",)) and not column.name.endswith(("id", "idx"))
        if {text_of(value) for value in column.values} <= known
        or (column.is_choice and column.names_sides)
        or (column.is_called(JUDGING) and (column.is_choice or column.is_number or column.is_list))
    ]
    return sorted(likely, key=lambda column: (column.is_many, -_reliability(column, JUDGING)))[:3]


def _beside(rest: Sequence[Column], answers: Sequence[Column], words: Sequence[str]) -> list[Column]:
    """Columns of these names, one per answer: in the same list, or with the same sides."""
    called = [column for column in rest if column.is_called(words)]
    if len(answers) == 1 and answers[0].is_many:
        head = answers[0].path.partition(EACH)[0]
        return next(([column] for column in called if column.is_many and _same_list(column, head, answers[0])), [])
    sized = [group for group in _groups(called) if len(group) == len(answers)]
    return sized[0] if sized else []


def _same_list(column: Column, head: str, answers: Column) -> bool:
    return column.path.partition(EACH)[0] == head or len(column.values) == len(answers.values)


def _holds_text(column: Column) -> bool:
    texts = all(isinstance(value, str) for value in column.values)
    return column.is_turns or (texts and not column.is_number)


def _is_note(column: Column) -> bool:
    return column.is_called(("rationale", "reason", "critique", "comment", "note", "feedback", "explanation"))


def _field(rest: Sequence[Column], words: Sequence[str]) -> Column | None:
    """A column of one of these names that does not name an answer, as the votes of an annotator do."""
    fitting = [column for column in rest if not column.is_many and not (column.names_sides and column.is_choice)]
    return next((column for word in words for column in fitting if word in column.name), None)


def _reliability(column: Column, words: Sequence[str]) -> int:
    """The higher, the earlier in `words` is the first word that is in the name."""
    position = next((ix for ix, word in enumerate(words) if word in column.path.lower()), len(words))
    return 2 * (len(words) - position) + (position < len(words) and column.name == words[position])


def _length(column: Column) -> float:
    return column.length


def _lines(guess: Guess, count: int) -> Iterator[str]:
    yield f"# Guessed from the first records ({count}): correct it, and replace every {OPEN}. See docs/feedback.md."
    yield from _texts(guess)
    if guess.models:
        yield f"models: {_paths(guess.models)}"
    yield from _turns([*guess.prompts, *guess.answers])
    yield from _decides(guess)
    if guess.fields:
        yield "fields:"
        yield from (f"  {field}: {_quoted(column.path)}" for field, column in guess.fields.items())
    if "licence" not in guess.fields:
        yield "# constant: {licence: CC-BY-4.0}  # what is the same in all records"
    if guess.others:
        yield f"# Kept in `extra`: {', '.join(_in_comment(column.path) for column in guess.others)}"


def _texts(guess: Guess) -> Iterator[str]:
    """Where prompt and answers are."""
    if _ends_with_answer(guess):
        talk = guess.prompts[0].path
        worse = f", {_quoted(guess.answers[0].path)}" if guess.answers else ""
        yield f"prompt: {_escaped(f'{talk}[:-1]')}  # the turns before the last one"
        yield f"answers: [{_escaped(f'{talk}[-1].{_text_key(guess.prompts[0])}')}{worse}]"
        return
    yield f"prompt: {_paths(guess.prompts) or OPEN}{_sample(guess.prompts)}"
    if guess.system:
        yield f"system: {_quoted(guess.system.path)}"
    if guess.answers:
        yield f"answers: {_paths(guess.answers)}{_sample(guess.answers)}"
    else:
        yield f"answers: {OPEN}  # paths of the answers: [response_a, response_b], or responses[*] for a list"


def _ends_with_answer(guess: Guess) -> bool:
    """Whether the conversation ends with an answer: there is none beside it, or only one that is worse."""
    talk = bool(guess.prompts) and guess.prompts[0].is_turns
    worse = len(guess.answers) == 1 and guess.answers[0].is_called(("reject", "worse", "negative"))
    return talk and (not guess.answers or worse)


def _text_key(talk: Column) -> str:
    keys = speaker_and_text(talk.values[0][-1])
    return keys[1] if keys else "content"


def _turns(texts: Sequence[Column]) -> Iterator[str]:
    """The names of the keys of a turn, where they are unusual."""
    turns = [turn for column in texts if column.is_turns for value in column.values for turn in value]
    keys = speaker_and_text(turns[0]) if turns else None
    if keys is None or keys in (("role", "content"), ("from", "value")):
        return
    yield f"turns: {{role: {_quoted(keys[0])}, content: {_quoted(keys[1])}, speakers: {{"
    names = list(dict.fromkeys(text_of(turn.get(keys[0])) for turn in turns))
    yield from (f"  {_quoted(name)}: {OPEN},  # user, assistant or system" for name in names)
    yield "}}"


def _decides(guess: Guess) -> Iterator[str]:
    """The parts of the map that may state which answer is better; all but the first as comments."""
    ways = [list(_winner(column, guess)) for column in guess.judging]
    if guess.scores:
        ways.insert(0 if not ways or guess.scores[0].is_called(("rank", "score", "rating")) else 1, _scores(guess))
    if guess.by_rank or (_ends_with_answer(guess) and guess.answers):
        ways.insert(0, [f"order: {OPEN}  # best_first if the first of these answers is always the better one"])
    yield from ways[0] if ways else _undecided(guess)
    for way in ways[1:]:
        yield "# or:"
        yield from (f"# {line}" for line in way)


def _undecided(guess: Guess) -> list[str]:
    """What to write if no column seems to judge."""
    if len(guess.answers) < 2 and not any(answer.is_many for answer in guess.answers):
        if marks := _marks(guess):
            named = f"good or bad by {', '.join(map(_in_comment, marks))}"
            return [f"winner: {OPEN}  # {named}; or remove this line: every answer is to be imitated"]
        return ["# Without winner or scores, the answer is a demonstration to imitate."]
    return [f"order: {OPEN}  # best_first or worst_first if the answers are listed by rank; or use winner or scores"]


def _marks(guess: Guess) -> list[str]:
    """The columns left over that may state whether a single answer is good."""
    marks = [column.path for column in guess.others if _may_mark(column.name) or _is_flag(column)]
    return marks + [name for name in guess.empty if _may_mark(name)]


def _may_mark(name: str) -> bool:
    return not name.endswith("id") and any(is_like_a_mark(part) for part in (name, *_tokens(name)))


def _is_flag(column: Column) -> bool:
    return all(isinstance(value, bool) for value in column.values)


def _heads(column: Column) -> set[str]:
    """The path, and the first name in it."""
    return {column.path, re.split(r"[.\[]", column.path)[0]}


def _scores(guess: Guess) -> list[str]:
    low, high = _range(guess.scores)
    return [
        "scores:",
        f"  paths: {_paths(guess.scores)}",
        f"  best: {OPEN}  # highest or lowest; found are {low:g} to {high:g}",
    ]


def _winner(column: Column, guess: Guess) -> Iterator[str]:
    """How one column may name the better answer."""
    names = guess.answers[0].path.removesuffix(EACH) + NAMES if guess.answers and guess.answers[0].is_many else ""
    if all(isinstance(value, str) and ">" in value for value in column.values):
        yield f"order:\n  path: {_quoted(column.path)}  # such as {_in_comment(column.values[0][:60])}"
        yield f"  best: {OPEN}  # first or last"
        yield f"  equals: {OPEN}  # {f'{_quoted(names)}, ' if names else ''}or use values: {{A: 0, B: 1}}"
        return
    if column.is_list:
        yield f"order:\n  path: {_quoted(column.path)}  # such as {json.dumps(column.values[0])[:60]}"
        yield f"  best: {OPEN}  # first or last"
        yield f"  positions_from: {OPEN}  # 0 or 1; for names instead: values, or equals"
        return
    yield "winner:"
    several = "  # the first of several: a record is one judgement" if column.is_many else ""
    yield f"  path: {_quoted(column.path.replace(EACH, '[0]'))}{several}"
    for named in (guess.answers, guess.models):
        values = {text_of(value) for other in named for value in other.values}
        if named and {text_of(value) for value in column.values} <= values:
            yield f"  equals: {OPEN}  # {_paths(named)}, if the value there is that of the better answer"
            return
    if column.is_number and (not column.is_choice or any(float(value) % 1 for value in column.values)):
        low, high = _range([column])
        yield f"  numbers:  # found are {low:g} to {high:g}"
        yield f"    middle: {OPEN}  # the number that is a tie"
        yield f"    above: {OPEN}  # 0 or 1: the better answer if the number is above the middle"
        yield f"    # scale: [{low:g}, {high:g}]  # the lowest and the highest possible number, for the strength"
        return
    if names and column.is_number:
        yield f"  positions_from: {OPEN}  # 0 or 1: whether {text_of(column.values[0])} counts from 0 or from 1"
        return
    if names and not all(isinstance(value, bool) for value in column.values):
        yield f"  equals: {OPEN}  # {_quoted(names)}, if it names the better answer; or values: {{NAME: 0, …}}"
        return
    yield f"  values:  # {_meanings(guess)}; any other value is refused"
    yield from (f"    {_quoted(text_of(value))}: {OPEN}" for value in column.distinct)


def _meanings(guess: Guess) -> str:
    if len(guess.answers) < 2 and not any(answer.is_many for answer in guess.answers) and guess.prompts:
        return "good or bad; or skip"
    named = guess.answers if len(guess.answers) > 1 else []
    which = (
        ", ".join(f"{ix} is {_in_comment(column.path)}" for ix, column in enumerate(named)) or "0 is the first answer"
    )
    return f"{which}; or [0, 2] with a strength; or tie, tie_both_bad, skip"


def _range(scores: Sequence[Column]) -> tuple[float, float]:
    numbers = [float(value) for column in scores for value in column.values]
    return min(numbers), max(numbers)


def _paths(found: Sequence[Column]) -> str:
    names = [_quoted(column.path) for column in found]
    return names[0] if len(names) == 1 else f"[{', '.join(names)}]" if names else ""


def _sample(found: Sequence[Column]) -> str:
    """The first value as a comment."""
    value = found[0].values[0] if found else ""
    text = " ".join((value if isinstance(value, str) else json.dumps(value, default=str)).split())
    return f"  # such as {text[:60]!r}" if text else ""


def _quoted(path: str) -> str:
    """A name as YAML reads it."""
    plain = re.fullmatch(r"[A-Za-z_][\w .\-/]*", path) and path.lower() not in (
        "true",
        "false",
        "null",
        "yes",
        "no",
        "on",
    )
    return path if plain and path == path.strip() and path.lower() != "off" else _escaped(path)


def _escaped(text: str) -> str:
    """In double quotes, on one line: YAML also ends lines at characters that JSON does not escape, such as U+2028."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _in_comment(text: str) -> str:
    """A name as part of a comment: a line break in it would end the comment, and its rest would be read as the map."""
    return text if text.isprintable() else _escaped(text)
