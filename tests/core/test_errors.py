"""The tree of errors drawn in core/errors.py matches the definitions."""

import ast
import re
from collections import Counter
from collections.abc import Iterator, Set
from typing import NamedTuple

import pytest

from core import errors
from feedback import faults
from tasks.state.workspace import PROJECT

PACKAGES = ("core", "feedback", "models", "evaluation", "tasks", "flows", "serving", "cli")
TOP = "RoundsError"

VERBS = (
    "add bring call check choose configure copy correct create delete disable download encode enlarge finish fix free "
    "give ingest install judge leave lower make move name open promote put raise relax remove rename replay restore "
    "roll run save see set start take train try unset use wait write"
)
"""The imperatives with which a cure begins."""

CURE = re.compile(
    rf"(?:^|[;:.,(] |\b(?:or|and|then) |to [a-z]+ it manually: )`?(?:{'|'.join(VERBS.split())})\b"
    r"|`rounds [a-z]+|`git checkout"
    r"|; say what |expected [A-Z]+=|\bdid you mean\b|\bthere are: |\b(?:available|finished rounds|known incidents): ",
    re.IGNORECASE,
)
"""A clause that says what to do, a command to type, or the list of valid names."""

EXPECTED = re.compile(r"\bexpected\b|\bput it into\b")
"""The reason why a record cannot be used says what was expected instead."""

REASONS = {
    "feedback/canonical.py": {
        "event",
        "_check_version",
        "_check_different",
        "_canonical",
        "_check_prompt_id",
        "_answer",
    },
    "feedback/fieldmap.py": {"_required", "_turn", "_joined", "_answers", "_at_each"},
    "feedback/label_events.py": {"check", "vote", "_correction", "_edited", "_check_values", "_one_of"},
    "feedback/label_items.py": {"of_record", "of_gold"},
    "feedback/judgementmap.py": {"position", "_equal", "judgement", "_by_number", "_groups"},
    "feedback/layouts/__init__.py": {
        *("recognise", "_check_unclaimed", "_check_demonstration", "one_of", "number", "signed", "below", "_check_last")
    },
    "feedback/layouts/alpaca.py": {"_earlier"},
    "feedback/layouts/alpaca_eval.py": {"_judgement"},
    "feedback/layouts/arena_140k.py": {"_earlier", "_turns"},
    "feedback/layouts/distilabel.py": {"read", "_list"},
    "feedback/layouts/nemo_dpo.py": {"_text"},
    "feedback/layouts/nemo_rank.py": {"read"},
    "feedback/layouts/summarize_comparison.py": {"request"},
    "feedback/layouts/ultrafeedback.py": {"_rating"},
    "feedback/layouts/steerlm.py": {"_judgements"},
    "feedback/layouts/arena_55k.py": {"read", "_texts", "_conversation"},
    "feedback/questions.py": {"records", "_verdict", "_rating", "_check_position"},
    "feedback/sources/argilla.py": {"_by_person", "_flat", "_required", "_listed"},
    "feedback/sources/label_studio.py": {"_reply", "_objects", "_required", "records", "_annotations"},
    "feedback/sources/mlflow_assessments.py": {"_records", "_pair", "_texts"},
    "feedback/sources/oasst.py": {"_by_person", "_threads", "add"},
    "feedback/turns.py": {"conversations", "turns", "_text_of_parts", "_whole", "_check_end"},
    "feedback/lines.py": {"parse"},
    "feedback/probes.py": {"_trap", "_text"},
    "feedback/transcripts.py": {"preference", "transcript", "_check_texts"},
    "tasks/people/polls.py": {"_check"},
    "serving/feedback.py": {"_id_of", "_read", "_user"},
    "serving/statements.py": {"_preference"},
}
"""Functions whose `BadFeedback` is the reason why one record cannot be used.

It is stored in quarantine, or becomes a line of a message that ends with the cure: correct or remove these records.
"""

CONSTANTS = {"_REOPEN", "_LOST", "_OVERRULE", "_MAP", "_SAVE", "_CURE", "NO_DEMONSTRATIONS"}
"""Cures that several messages share."""

PASSED_ON = {
    "cure",
    "_cure",
    "_REOPEN",
    "_available",
    "origin",
    "reason",
    "reason_of",
    "problem",
    "too_large",
    "_unknown",
} | CONSTANTS
"""Names of parts of a message that have the cure or reason in them, and are checked where they are written."""

DYNAMIC = {
    ("core/outages.py", "explained"): "one cure per number of an error; tests/core/test_outages.py",
    ("cli/adopt.py", "_take_in"): "one line per version, each a message of fetching it",
    ("cli/audit.py", "verify"): "one line per disagreement with its cures; tests/tasks/registry/test_consistency.py",
    ("tasks/registry/consistency.py", "refuse"): "the same; tests/tasks/registry/test_consistency.py",
    ("tasks/rounds/request.py", "answer"): "the same; tests/tasks/registry/test_unloaded.py",
    ("core/settings.py", "parse"): "one line per knob, from pydantic; tests/core/test_settings.py",
    ("feedback/exports.py", "check"): "names the source and the command to type; tests/feedback/test_exports.py",
    ("feedback/packaging/__init__.py", "_kind"): "adds the file to a message of kind_of",
    ("feedback/packaging/kinds.py", "kind_of"): "each foreign kind has its cure; tests/feedback/packaging",
    ("feedback/packaging/arrow.py", "_damage_named"): "adds the file to a message of the same module or its neighbours",
    ("models/rendering.py", "check"): "adds the base model to the message of another error",
    ("tasks/rounds/running.py", "_explained"): "adds a cure to the message of another error",
}
"""Functions whose messages have no literal text of their own, with the reason."""


class Error(NamedTuple):
    """The definition of an error class."""

    name: str
    base: str
    documented: bool


def modules(without: str = "") -> Iterator[ast.Module]:
    for package in PACKAGES:
        for file in sorted((PROJECT / package).rglob("*.py") if package != without else ()):
            yield ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def classes() -> list[Error]:
    """Every class of the project that derives from `RoundsError`."""
    defined = [
        Error(node.name, ast.unparse(base).rpartition(".")[2], ast.get_docstring(node) is not None)
        for module in modules()
        for node in ast.walk(module)
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    ]
    family = {TOP}
    while more := {error.name for error in defined if error.base in family} - family:
        family |= more
    return [error for error in defined if error.base in family]


def drawn() -> dict[str, str]:
    """Class → its parent in the tree of the docstring."""
    assert errors.__doc__ is not None
    above, parents = [TOP], {}
    for line in errors.__doc__.splitlines():
        if branch := re.match(r"((?:[│ ]   )*)[├└]── (\w+) ", line):
            depth = len(branch[1]) // 4 + 1
            parents[branch[2]] = above[depth - 1]
            above[depth:] = [branch[2]]
    return parents


class Message(NamedTuple):
    """A message that is written at its `raise`."""

    file: str
    function: str
    error: str
    text: str
    """Literal parts, with an ellipsis for each part that is computed."""
    parts: frozenset[str]
    """Names in the computed parts."""

    @property
    def is_reason(self) -> bool:
        """Whether it is the reason why one record cannot be used."""
        return self.error == "BadFeedback" and self.function in REASONS.get(self.file, ())

    @property
    def complete(self) -> bool:
        """Whether it names a cure, or, as a reason, what was expected instead."""
        wanted = EXPECTED if self.is_reason else CURE
        return bool(wanted.search(self.text)) or bool(self.parts & PASSED_ON) or (self.file, self.function) in DYNAMIC


def text_of(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(map(text_of, values))
        case ast.BinOp(left=left, right=right):
            return text_of(left) + text_of(right)
        case _:
            return "…"


def messages(tree: ast.Module, file: str, errors: Set[str]) -> Iterator[Message]:
    """The messages of these errors that a module raises or returns, each with the innermost function around it."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    around = {id(node): function.name for function in functions for node in ast.walk(function)}  # the innermost is last
    for node in ast.walk(tree):
        call = node.exc if isinstance(node, ast.Raise) else node.value if isinstance(node, ast.Return) else None
        if isinstance(call, ast.Call) and call.args and (name := ast.unparse(call.func).rpartition(".")[2]) in errors:
            names = {part.id for part in ast.walk(call.args[0]) if isinstance(part, ast.Name)}
            yield Message(file, around[id(node)], name, text_of(call.args[0]), frozenset(names))


def raised() -> list[Message]:
    names = {error.name for error in classes()} | {TOP}
    files = [file for package in PACKAGES for file in sorted((PROJECT / package).rglob("*.py"))]
    trees = ((ast.parse(file.read_text(encoding="utf-8")), file.relative_to(PROJECT).as_posix()) for file in files)
    return [message for tree, file in trees for message in messages(tree, file, names)]


def cures() -> Iterator[str]:
    """The text of every part of a message that is called a cure, except for those that a function computes."""
    written: list[ast.expr] = []
    for node in (node for module in modules("evaluation") for node in ast.walk(module)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in {"cure", *CONSTANTS}:
            written.append(node.value)
        elif isinstance(node, ast.FunctionDef) and node.name in {"_cure", "_available"}:
            written += [part.value for part in ast.walk(node) if isinstance(part, ast.Return) and part.value]
    choices = [[node.body, node.orelse] if isinstance(node, ast.IfExp) else [node] for node in written]
    yield from (text_of(node) for branches in choices for node in branches if not isinstance(node, ast.Call))


def test_the_tree_is_the_one_that_is_drawn() -> None:
    assert drawn() == {error.name: error.base for error in classes()}


def test_no_two_errors_share_a_name_and_each_says_what_it_is() -> None:
    assert [name for name, count in Counter(error.name for error in classes()).items() if count > 1] == []
    assert [error.name for error in classes() if not error.documented] == []


def test_a_message_has_a_cure() -> None:
    incomplete = [message for message in raised() if not message.complete]
    assert [(message.file, message.function, message.text) for message in incomplete] == []


def test_every_error_is_raised_with_a_message() -> None:
    bases = {error.base for error in classes()}
    assert {error.name for error in classes()} - {message.error for message in raised()} <= bases


def test_exempt_functions_exist() -> None:
    functions = {(message.file, message.function) for message in raised()}
    exempt = {(file, name) for file, names in REASONS.items() for name in names} | DYNAMIC.keys()
    assert exempt <= functions


@pytest.mark.parametrize(
    ("raised", "complete"),
    [
        ("BadFeedback('no usable feedback')", False),
        ("BadFeedback('no usable feedback; expected some')", False),  # a cure for the person, no reason of a record
        ("BadFeedback(f'no feedback in {folder}; hand in a file with `rounds feedback import FILE`')", True),
        ("BadModel(f'{folder} cannot be loaded: {error}')", False),
        ("BadModel(f'{folder} needs a tokenizer; there is none of this name')", False),
        ("BadModel(f'{folder} has no tokenizer; save it with the model')", True),
        ("NotFound(f'there is no round {number}')", False),
        ("NotFound(f'there is no round {number}; finished rounds: {known}')", True),
        ("BadParams(f'{name} is set to `nothing`, which the setting does not allow')", False),
        ("Damaged(f'{path} is damaged; {cure}')", True),
    ],
)
def test_a_message_without_a_cure_is_found(raised: str, complete: bool) -> None:
    [message] = messages(
        ast.parse(f"def check():\n    raise {raised}"), "tasks/steps/x.py", {e.name for e in classes()}
    )
    assert message.complete is complete


@pytest.mark.parametrize(
    ("reason", "complete"),
    [("answer is empty", False), ("answer is empty; use another", False), ("expected text", True)],
)
def test_a_reason_without_what_was_expected_is_found(reason: str, complete: bool) -> None:
    tree = ast.parse(f"def parse():\n    raise BadFeedback({reason!r})")
    [message] = messages(tree, "feedback/lines.py", {"BadFeedback"})
    assert (message.is_reason, message.complete) == (True, complete)


def test_what_is_called_a_cure_is_one() -> None:
    assert [text for text in cures() if not CURE.search(text)] == []


def test_reasons_that_are_not_raised_say_what_was_expected() -> None:
    files = [PROJECT / "feedback" / name for name in ("checks.py", "contradictions.py")]
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))]
    reasons = [
        text_of(node.value)
        for node in nodes
        if isinstance(node, ast.Yield) and node.value and not isinstance(node.value, ast.Name)
    ]
    schema = ast.parse((PROJECT / "feedback/schema.py").read_text(encoding="utf-8"))
    reasons += [message.text for message in messages(schema, "feedback/schema.py", {"ValueError"})]
    assert len(reasons) > 10
    assert [reason for reason in [*reasons, *faults.REASONS.values()] if not EXPECTED.search(reason)] == []
