"""The cards of a round's versions, where a person finds them: at the version, at the run, and whole among its files."""

from collections.abc import Mapping, Sequence

from evaluation.verdict import Verdict
from tasks.pages.cards import content
from tasks.registry.versions import ModelVersion, VersionStore
from tasks.state.workspace import Workspace
from tasks.tools.tracking import RoundRun

FOLDER = "card"
"""The folder of a run that holds its cards."""


def name(version: str) -> str:
    """The file of a model's card."""
    return f"{version}-card.md"


def keep(
    workspace: Workspace,
    hashes: Mapping[str, Mapping[str, str]],
    run: RoundRun,
    registry: VersionStore,
    versions: Sequence[ModelVersion],
    numbers: Mapping[str, float],
    verdict: Verdict | None,
) -> None:
    """Write a card for each version, the policy's first, and a data card. Done again, it changes nothing.

    Args:
        workspace: of the round.
        hashes: step → path → MD5 of what the round's steps wrote.
        run: the round's run, which keeps the cards.
        registry: shows a short form of the card with each version.
        versions: what it registered.
        numbers: what it measured, names with their step.
        verdict: what became of its candidate in the end; None of a first model.
    """
    for version in versions:
        facts = content.gather(workspace, version, numbers, hashes)._replace(verdict=verdict)
        text = content.model_card(facts)
        run.text(text, f"{FOLDER}/{name(version.name)}")
        registry.describe(version, content.short(text, f"run {version.run_id}, folder {FOLDER}"))
        if version.name == "policy":
            run.text(content.data_card(facts), f"{FOLDER}/data-card.md")
            run.tags({"mlflow.note.content": content.short(text, f"folder {FOLDER}")})
