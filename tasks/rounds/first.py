"""The workspace of a round. A new one is created only after the request for its first round has been checked.

This module must not import torch, which would delay an answer from the record.
"""

from collections.abc import Sequence
from pathlib import Path

from tasks.state.choosing import at, current_or_planned
from tasks.state.workspace import Workspace


def workspace_for_round(folder: Path | None, overrides: Sequence[str]) -> Workspace:
    """The workspace in which a round is to run; created if missing. If no round was ever opened in it, the request is
    checked first, so that a refused one leaves nothing behind.

    Raises:
        BadWorkspace: the folder is neither empty nor a workspace, or it cannot be written.
        RoundsError: the first round is refused; see `tasks.rounds.opening.open_round`.
    """
    workspace = current_or_planned(folder)
    if not workspace.round.exists():
        from tasks.rounds.opening import check_first  # imports torch

        check_first(workspace, overrides)
    return at(workspace.root)
