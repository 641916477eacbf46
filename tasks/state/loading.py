"""How the steps load the models of a workspace."""

from pathlib import Path

from models.compute import Compute, chosen
from models.loading import Loader
from models.policy import ModelSettings
from tasks.state import bases
from tasks.state.round import Round
from tasks.state.workspace import Workspace


def of_round(round: Round) -> Loader:
    """A loader for the models of a round, which compute as its knobs say."""
    return loader(round.workspace, round.knobs("model", ModelSettings).compute)


def outside(workspace: Workspace) -> Loader:
    """A loader for models that are only read, outside a round."""
    return loader(workspace, Compute(chosen("auto")))


def loader(workspace: Workspace, compute: Compute) -> Loader:
    """A loader for the models of a workspace, whose bases are in its folder of bases."""

    def base_folder(digest: str) -> Path:
        return bases.folder(workspace, digest)

    return Loader(base_folder, compute)
