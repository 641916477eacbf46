"""How the steps load the models of a workspace."""

from pathlib import Path

from models.compute import Compute, Sharding, chosen
from models.loading import Loader
from models.policy import ModelSettings
from tasks.state import bases
from tasks.state import round as rounds
from tasks.state.round import Round
from tasks.state.workspace import Workspace


def of_round(round: Round, how: Sharding | None = None) -> Loader:
    """A loader for the models of a round, which compute as its knobs say, and are divided among the ranks of a step."""
    return loader(round.workspace, round.knobs("model", ModelSettings).compute._replace(sharding=how))


def outside(workspace: Workspace) -> Loader:
    """A loader for models that are only read, outside a round.

    They compute in the type of the round that was opened last, so that scores are those of the round up to rounding;
    where none was opened, in the type that is faster on this machine.
    """
    opened = rounds.read(workspace).knobs("model", ModelSettings).dtype if workspace.round.exists() else "auto"
    return loader(workspace, Compute(chosen(opened)))


def loader(workspace: Workspace, compute: Compute) -> Loader:
    """A loader for the models of a workspace, whose bases are in its folder of bases."""

    def base_folder(digest: str) -> Path:
        return bases.folder(workspace, digest)

    return Loader(base_folder, compute)
