"""A line of models: the rounds, registered versions and champion that belong together, and their names on servers.

The pure part: names, and the file in which a workspace keeps its choice. `tasks.tools.lines` chooses.
"""

import re
from dataclasses import dataclass
from typing import Literal

from core.stored import Stored
from tasks.state.workspace import Workspace

ModelName = Literal["policy", "reward", "base"]
"""What a registered model is, whatever its name on the server."""

LONGEST_NAME = 40
"""Characters of a workspace's name that the name of its line keeps."""

_ROUNDS, _PROMOTIONS, _AUDIT = "rounds", "promotions", "audit"


@dataclass(frozen=True)
class ModelLine:
    """A line, by its name. The names of `policy` have no prefix, so that what older releases made keeps its names."""

    name: str

    def model(self, role: str) -> str:
        """The name of a registered model: `policy`, or `help-desk-1a2b.policy`."""
        return self._prefixed(role)

    @property
    def rounds(self) -> str:
        """The experiment with the runs of its rounds."""
        return self._prefixed(_ROUNDS)

    @property
    def promotions(self) -> str:
        """The experiment with the moves of its alias."""
        return self._prefixed(_PROMOTIONS)

    @property
    def audit(self) -> str:
        """The experiment with the copies of its workspaces' audit logs."""
        return self._prefixed(_AUDIT)

    @property
    def answers(self) -> str:
        """The experiment with the traces of the server's answers."""
        return self._prefixed("answers")

    def unprefixed(self, query: str) -> str:
        """A version as the line itself names it: `policy/3` for `help-desk-1a2b.policy/3`."""
        return query.removeprefix(self._prefixed(""))

    def _prefixed(self, what: str) -> str:
        return what if self == POLICY else f"{self.name}.{what}"


POLICY = ModelLine("policy")
"""The only line of a database in the workspace, and the line of a server that earlier releases used."""


class LineRecord(Stored):
    """The content of `data/line.json`: the line that a workspace is in on a server. Unlike `workspace.json`, which is
    written once, it is written again when the server's address changes or another line is adopted."""

    line: str
    server: str
    """The address of the MLflow server, without user and password."""
    salt: str | None = None
    """Salt of the split, if an adopted line had one: all workspaces of a line hold out the same prompts."""


def line_record(workspace: Workspace) -> LineRecord | None:
    """The recorded choice; None if there is none.

    Raises:
        Damaged: the file is incomplete or invalid.
        BadWorkspace: a later version wrote it.
    """
    return LineRecord.load(workspace.line) if workspace.line.exists() else None


def of_experiment(name: str) -> ModelLine | None:
    """The line whose rounds are in an experiment of this name; None for an experiment of other runs."""
    if name == _ROUNDS:
        return POLICY
    prefix, _, rest = name.rpartition(".")
    return ModelLine(prefix) if prefix and rest == _ROUNDS else None


def own_name(name: str, digits: str) -> str:
    """The name of a workspace's own line: its name in characters that every server accepts, and digits of its id."""
    plain = re.sub("[^a-z0-9_]+", "-", name.lower()).strip("-")[:LONGEST_NAME].rstrip("-")
    return f"{plain or 'line'}-{digits}"
