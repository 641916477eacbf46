"""The cards of a round's versions: short at the version and at the run, complete among the run's files."""

from collections.abc import Mapping, Sequence

from evaluation.verdict import Verdict
from tasks.pages.cards import content
from tasks.registry.versions import ModelVersion, VersionStore
from tasks.state.cost import RoundCost
from tasks.state.workspace import Workspace
from tasks.tools.tracking import NOTE, RoundRun

FOLDER = "card"
"""The artifact folder of a run for its cards."""


def name(model: str) -> str:
    """The file name of a model's card: `policy` or `reward` gives `policy-card.md` or `reward-card.md`."""
    return f"{model}-card.md"


def write(
    workspace: Workspace,
    hashes: Mapping[str, Mapping[str, str]],
    run: RoundRun,
    registry: VersionStore,
    versions: Sequence[ModelVersion],
    numbers: Mapping[str, float],
    verdict: Verdict | None,
    cost: RoundCost,
) -> None:
    """Write a card for each version, in the given order, and a data card. Repeating the call changes nothing.

    Args:
        workspace: the workspace of the round.
        hashes: step → path → MD5 of what the round's steps wrote.
        run: the round's run, which stores the cards.
        registry: shows a short form of the card with each version.
        versions: the versions that the round registered.
        numbers: the round's metrics, by full name.
        verdict: the final verdict on the candidate; None for the first model.
        cost: what the round used.
    """
    for version in versions:
        facts = content.gather(workspace, version, numbers, hashes)._replace(verdict=verdict, cost=cost)
        text = content.model_card(facts)
        run.text(text, f"{FOLDER}/{name(version.name)}")
        registry.describe(version, content.short(text, f"run {version.run_id}, folder {FOLDER}"))
        if version.name == "policy":
            run.text(content.data_card(facts), f"{FOLDER}/data-card.md")
            run.tags({NOTE: content.short(text, f"folder {FOLDER}")})
