"""Text of outsiders reaches a terminal, a page or a store through one function each; these tests find ways around it.

docs/architecture.md has the table of the functions.
"""

import ast
import re
from pathlib import Path

import pytest

from tests.pages import ROOT

PACKAGES = ("core", "cli", "flows", "tasks", "evaluation", "feedback", "models", "serving")
FILES = sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))

ONLY_IN = {
    "print": {"flows/orchestration/server.py"},  # the port, through a pipe
    "input": set(),
    "Console": set(),
    "EscapingConsole": {"cli/display/console.py"},
    "Markup": {"serving/pages/markdown.py"},
    "Environment": {"tasks/pages/html.py", "tasks/pages/markdown.py", "cli/display/metrics.py"},
    "RunTag": {"tasks/tools/tracking/experiments.py"},
    "Param": {"tasks/tools/tracking/round_run.py"},
    "create_markdown_artifact": {"flows/orchestration/artifacts.py"},
    "create_table_artifact": {"flows/orchestration/artifacts.py"},
}
"""Function or class → the files that may call it."""

METHODS_ONLY_IN = {
    "rich.print": set(),
    "rich.print_json": set(),
    "typer.echo": set(),
    "typer.secho": set(),
    "sys.stdout.write": {"cli/display/console.py", "models/template_process.py"},  # the latter through a pipe
    "sys.stderr.write": {"core/process.py"},
    "json.dumps:cli": {"cli/display/console.py"},
    "Text.from_markup": set(),
    "Text.from_ansi": set(),
    "logging.basicConfig": set(),
    "logging.StreamHandler": set(),
}
"""The same for calls with a dot; `:cli` restricts the rule to one package."""

STORES = {
    "set_tag": {"tasks/registry/journal.py"},
    "set_model_version_tag": {"tasks/registry/alias.py"},
    "update_model_version": {"tasks/registry/versions.py"},
    "create_run": {"tasks/tools/tracking/experiments.py", "tasks/registry/journal.py", "tasks/registry/mirror.py"},
    "update_flow_run": {"flows/orchestration/title.py"},
}
"""Methods that store a text of a person as a tag, a name or a description → the files that may call them."""

DRAWN = {"tasks/pages/plots.py", "tasks/analysis/blame/plot.py"}
"""Files that draw: their labels of outsiders go through `tasks.pages.plots.label`."""

TAG = re.compile(
    r"</?(html|head|body|div|span|p|a|b|i|br|img|table|tr|td|th|li|ul|script|style|svg|h\d)\b", re.IGNORECASE
)


def name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def around(code: str, where: str) -> list[str]:
    """The calls in the code of a file that go around the functions of this page."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and where not in _allowed(node, where):
            found.append(f"{where}:{node.lineno}: {ast.unparse(node.func)}")
    return found


def _allowed(call: ast.Call, where: str) -> set[str]:
    called = ast.unparse(call.func)
    if isinstance(call.func, ast.Attribute) and call.func.attr in STORES:
        return STORES[call.func.attr]
    for rule, files in METHODS_ONLY_IN.items():
        method, _, package = rule.partition(":")
        if called == method and where.startswith(package):
            return files
    return ONLY_IN.get(called, {where})


def test_nothing_is_printed_rendered_or_stored_around_the_one_function() -> None:
    assert [fault for file in FILES for fault in around(file.read_text(encoding="utf-8"), name(file))] == []


@pytest.mark.parametrize(
    "code",
    [
        "print(x)",
        "Console().print(x)",
        "sys.stdout.write(x)",
        "store.set_tag(run, 'reason', x)",
        "json.dumps(x)",
        "Environment(loader=x)",
        "typer.echo(x)",
        "Text.from_markup(x)",
    ],
)
def test_these_rules_find_what_they_forbid(code: str) -> None:
    [fault] = around(code, "cli/new.py")
    assert fault.startswith("cli/new.py:1: ")


def test_the_allowed_files_still_do_what_they_are_allowed() -> None:
    for rules in (ONLY_IN, METHODS_ONLY_IN, STORES):
        for rule, files in rules.items():
            for allowed in files:
                text = (ROOT / allowed).read_text(encoding="utf-8")
                assert rule.partition(":")[0].rpartition(".")[2] in text, (rule, allowed)


@pytest.mark.parametrize("template", sorted(ROOT.glob("**/*.html.jinja")), ids=lambda it: it.name)
def test_no_template_of_html_marks_a_value_as_safe(template: Path) -> None:
    text = template.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape\s+false", text)
    inside = re.findall(r"<script[^>]*>[^<]+|\son\w+=|href=\"?\{\{|src=(?!\"/assets/\w+\.js\")", text)
    assert inside == []  # escaping is that of text and of quoted attributes


def test_no_html_is_put_together_from_strings() -> None:
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr) and name(file).startswith(("cli", "core", "flows", "tasks")):
                fixed = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
                assert not TAG.search(fixed), f"{name(file)}:{node.lineno}: {fixed}"


def test_only_two_files_draw() -> None:
    drawing = {name(file) for file in FILES if re.search(r"^from matplotlib", file.read_text(encoding="utf-8"), re.M)}
    assert drawing <= DRAWN
