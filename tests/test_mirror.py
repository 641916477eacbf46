"""The tests mirror the tree: a package has its folder under tests/, a module with public functions its file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import ROOT

PACKAGES = ("core", "feedback", "models", "evaluation", "tasks", "flows", "serving", "cli")

BY_WHAT_THEY_RUN = ("cli", "flows")
"""Their tests are named after what a person does or what happens to a round: commands and flows are run whole."""

ELSEWHERE = {
    "models/shared_base.py": "models/test_adapters.py",
    "models/launcher.py": "models/test_launching.py",
    "tasks/rounds/rank.py": "tasks/rounds/test_launched.py",
    "tasks/rounds/attempts.py": "tasks/rounds/test_placed.py",
    "tasks/rounds/worker_step.py": "tasks/rounds/test_placed.py",
    "tasks/rounds/imported_model.py": "flows/test_imported.py",
    "tasks/rounds/importing.py": "flows/test_imported.py",
    "tasks/state/imports.py": "flows/test_imported.py",
    "tasks/rounds/exporting.py": "flows/test_base_models.py",
    "tasks/rounds/rebasing.py": "flows/test_base_models.py",
    # a file of tests covers several modules, which are compared or used together
    "feedback/rules/__init__.py": "feedback/rules/test_readable.py",
    "evaluation/drift/answers.py": "evaluation/drift/test_planted.py",
    "evaluation/drift/labels.py": "evaluation/drift/test_planted.py",
    "evaluation/drift/prompts.py": "evaluation/drift/test_planted.py",
    "evaluation/drift/report.py": "evaluation/drift/test_drift.py",
    "evaluation/evals/diversity.py": "evaluation/evals/test_evals.py",
    "evaluation/evals/judge.py": "evaluation/evals/test_evals.py",
    "evaluation/evals/reward_model.py": "evaluation/evals/test_evals.py",
    "evaluation/evals/votes.py": "evaluation/evals/test_evals.py",
    "evaluation/gates/reward_accuracy.py": "evaluation/gates/test_reward_model.py",
    "evaluation/statistics/rates.py": "evaluation/evals/test_evals.py",
    "feedback/canonical.py": "feedback/sources/test_jsonl.py",
    "feedback/columns.py": "feedback/test_guesses.py",
    "feedback/judgementmap.py": "feedback/test_fieldmap.py",
    "feedback/layouts/summarize_comparison.py": "feedback/layouts/test_layouts.py",
    "feedback/marks.py": "feedback/test_forms.py",
    "tasks/registry/mending.py": "tasks/registry/test_consistency.py",
    "feedback/store/identity.py": "feedback/store/test_arrivals.py",
    "feedback/positions.py": "tasks/steps/test_ingest.py",
    "feedback/packaging/arrow.py": "feedback/packaging/test_packaging.py",
    "feedback/packaging/compression.py": "feedback/packaging/test_packaging.py",
    "feedback/packaging/delimited.py": "feedback/packaging/test_packaging.py",
    "feedback/packaging/json_array.py": "feedback/packaging/test_packaging.py",
    "models/template_process.py": "models/test_rendering.py",
    "models/gguf_base.py": "tasks/rounds/test_fetching.py",
    "tasks/history/unneeded_bases.py": "tasks/registry/test_bases.py",
    "feedback/packaging/json_lines.py": "feedback/packaging/test_packaging.py",
    "feedback/packaging/kinds.py": "feedback/packaging/test_packaging.py",
    "feedback/packaging/raw.py": "feedback/packaging/test_packaging.py",
    "feedback/superseding.py": "feedback/test_trust.py",
    "feedback/transcripts.py": "feedback/sources/test_hh_rlhf.py",
    "feedback/rejects.py": "tasks/steps/test_ingest.py",
    "feedback/votes.py": "feedback/test_preferences.py",
    "models/scratch.py": "models/test_tokens.py",
    "models/templates.py": "tasks/steps/test_ingest.py",
    "tasks/analysis/drift/__init__.py": "tasks/analysis/drift/test_sections.py",
    "tasks/analysis/drift/page.py": "services/test_dashboards.py",
    "tasks/history/evidence/headings.py": "tasks/history/test_evidence.py",
    "tasks/history/evidence/index.py": "tasks/history/test_evidence.py",
    "tasks/pages/cards/content.py": "tasks/pages/test_cards.py",
    "tasks/pages/cards/limits.py": "tasks/pages/test_cards.py",
    "tasks/people/pending.py": "tasks/people/test_waiting.py",
    "tasks/registry/absent.py": "cli/test_cures_of_the_registry.py",
    "tasks/registry/archive.py": "tasks/history/test_lineage.py",
    "tasks/state/reports.py": "tasks/state/test_stored_forms.py",
    "tasks/state/round.py": "tasks/state/test_stored_forms.py",
    "tasks/state/collisions.py": "tasks/state/test_handing_in.py",
    "tasks/state/templates.py": "tasks/steps/test_ingest.py",
    "tasks/state/workspace.py": "tasks/state/test_workspace_paths.py",
    # only whole rounds, commands or servers show that it works
    "tasks/analysis/blame/__init__.py": "cli/test_blame.py",
    "tasks/analysis/blame/plan.py": "cli/test_blame.py",
    "tasks/analysis/blame/plot.py": "cli/test_blame.py",
    "tasks/analysis/blame/storage.py": "cli/test_blame.py",
    "tasks/analysis/training_data.py": "cli/test_blame.py",
    "tasks/history/forgetting.py": "cli/test_forget.py",
    "tasks/history/replay.py": "cli/test_replay.py",
    "tasks/pages/plots.py": "flows/test_next_round.py",
    "tasks/registry/reference.py": "flows/test_next_round.py",
    "tasks/rounds/closing.py": "flows/test_closing.py",
    "tasks/rounds/running.py": "flows/test_reopened.py",
    "tasks/state/graph.py": "upgrade/test_upgrade.py",
    "tasks/tools/tracking/aliases.py": "tasks/registry/test_registry.py",
    "tasks/tools/tracking/address.py": "tasks/tools/test_tracking.py",
    "tasks/tools/tracking/connection.py": "tasks/tools/test_tracking.py",
    "tasks/tools/tracking/experiments.py": "tasks/tools/test_tracking.py",
    "tasks/tools/tracking/round_run.py": "tasks/tools/test_tracking.py",
    "tasks/tools/tracking/step_run.py": "tasks/tools/test_tracking.py",
    "tasks/tools/events.py": "services/test_events.py",
    "tasks/tools/git.py": "flows/test_git.py",
    "tasks/tools/postgresql.py": "services/test_up.py",
    "tasks/tools/rounds_view.py": "services/test_mlflow_page.py",
    "tasks/watch/drift.py": "flows/test_watch.py",
    "tasks/watch/watch.py": "flows/test_watch.py",
    "serving/__main__.py": "serving/test_main.py",
    "serving/context.py": "serving/test_chat.py",
    "serving/exchange.py": "serving/test_chat.py",
    "serving/statements.py": "serving/test_feedback.py",
    "tasks/people/keys.py": "cli/test_keys.py",
    "tasks/people/label_quality.py": "cli/test_label.py",
    "tasks/people/label_filling.py": "cli/test_label.py",
    "feedback/label_events.py": "tasks/people/test_judgements.py",
    "tasks/rounds/version_files.py": "serving/test_versions.py",
}
"""Module → the file that tests it, below tests/."""

UNTESTED = {"core/log.py": "one function, which does nothing"}
"""Module → why nothing tests it."""


def packages() -> Iterator[Path]:
    """Every package of the product, from the root."""
    for top in PACKAGES:
        for init in (ROOT / top).rglob("__init__.py"):
            yield init.parent.relative_to(ROOT)


def modules() -> Iterator[Path]:
    """Every module that has public functions, from the root."""
    for package in packages():
        for file in sorted((ROOT / package).glob("*.py")):
            if public(file) and package.parts[0] not in BY_WHAT_THEY_RUN:
                yield file.relative_to(ROOT)


def public(file: Path) -> list[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return [name for name in names if not name.startswith("_")]


def mirrored(module: Path) -> bool:
    """Whether the module has a file of tests at its place; that of a package is in its folder or beside it."""
    if module.name == "__init__.py":
        return beside(module.parent) or (ROOT / "tests" / module.parent / f"test_{module.parent.name}.py").exists()
    return (ROOT / "tests" / module.parent / f"test_{module.name}").exists()


def beside(package: Path) -> bool:
    """Whether one file of tests is for the whole package."""
    return (ROOT / "tests" / package.parent / f"test_{package.name}.py").exists()


def test_every_package_has_its_folder_of_tests() -> None:
    """Or one file, beside those of its siblings."""
    bare = [package for package in packages() if not ((ROOT / "tests" / package).is_dir() or beside(package))]
    assert bare == []


def test_every_file_of_tests_lies_where_a_package_lies() -> None:
    folders = {file.parent.relative_to(ROOT / "tests") for file in (ROOT / "tests").rglob("test_*.py")}
    assert folders - {*packages(), *map(Path, (".", "services", "engines", "upgrade", "benchmarks"))} == set()


@pytest.mark.parametrize("module", [*modules()], ids=str)
def test_a_module_with_functions_has_its_file_of_tests_or_is_listed(module: Path) -> None:
    name = module.as_posix()
    assert mirrored(module) + (name in ELSEWHERE) + (name in UNTESTED) == 1


@pytest.mark.parametrize(("module", "tests"), ELSEWHERE.items())
def test_what_is_listed_exists(module: str, tests: str) -> None:
    assert (ROOT / module).exists()
    assert (ROOT / "tests" / tests).exists()


PLUGINS = (
    *("feedback/sources", "feedback/layouts", "models/algorithms", "models/rewards"),
    *("evaluation/evals", "evaluation/gates", "evaluation/guards", "evaluation/harms", "feedback/rules"),
)


@pytest.mark.parametrize("folder", PLUGINS)
def test_every_plug_in_is_named_by_a_test(folder: str) -> None:
    """By its class, or by the name of its file in settings. Most have no functions: the tests above miss them."""
    tests = "\n".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*.py"))
    files = [file for file in (ROOT / folder).glob("*.py") if file.name != "__init__.py"]
    assert files
    untested = [file.stem for file in files if not any(name in tests for name in (f'"{file.stem}"', *_classes(file)))]
    assert untested == []


def _classes(file: Path) -> list[str]:
    return [node.name for node in ast.parse(file.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
