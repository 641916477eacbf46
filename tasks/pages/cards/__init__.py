"""The cards of a round's versions, where a person finds them: at the version, at the run, and whole among its files."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.pages.cards import content
from tasks.registry.versions import Version
from tasks.rounds.running import Running

FOLDER = "card"
"""The folder of a run that holds its cards."""


def name(version: str) -> str:
    """The file of a model's card."""
    return f"{version}-card.md"


def keep(
    running: Running, versions: Sequence[Version], numbers: Mapping[str, float], verdict: Mapping[str, Any] | None
) -> None:
    """Write a card for each version, the policy's first, and a data card. Done again, it changes nothing.

    Args:
        running: the round.
        versions: what it registered.
        numbers: what it measured, names with their step.
        verdict: what became of its candidate in the end; None of a first model.
    """
    outputs = running.data.hashes()
    for version in versions:
        facts = content.gather(running.round.workspace, version, numbers, outputs)._replace(verdict=verdict)
        text = content.model_card(facts)
        running.run.text(text, f"{FOLDER}/{name(version.name)}")
        running.registry.describe(version, content.short(text, f"run {version.run_id}, folder {FOLDER}"))
        if version.name == "policy":
            running.run.text(content.data_card(facts), f"{FOLDER}/data-card.md")
            running.run.tags({"mlflow.note.content": content.short(text, f"folder {FOLDER}")})
