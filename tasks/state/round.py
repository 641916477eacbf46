"""One round as a value: its number, its frozen inputs, and where its bytes lie."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from core.errors import BadWorkspace, Damaged
from core.settings import Settings, parse
from core.stored import Values
from tasks.state.inputs import Champion, Inputs
from tasks.state.opened import Opened
from tasks.state.workspace import PROJECT, Workspace

CODE = ("core", "evaluation", "feedback", "models", "tasks")
"""The packages whose files change results."""

_REOPEN = "`rounds round --reopen` drops the round and opens it anew; feedback that was taken in stays"


@dataclass(frozen=True)
class Round:
    """What opening a round froze. Steps read their inputs from here and nowhere else."""

    workspace: Workspace
    number: int
    parent: str | None
    """Key of the round before."""
    seed: int
    salt: str
    """Keys the split of prompt groups; the same in all rounds of a workspace."""
    champion: Champion | None
    """The policy that the candidate has to beat; None in round 0."""
    inbox: Sequence[str]
    """Files of handed-in feedback that this round takes in."""
    values: Values
    """Every effective parameter, by section."""

    def knobs(self, section: str, model: type[Settings]) -> Settings:
        """One section of the frozen parameters, typed."""
        return parse(model, self.values.get(section) or {}, f"{self.workspace.round}, params.{section}")

    @property
    def threads(self) -> int:
        """`model.threads`; a round that was opened before this knob existed computed with one thread."""
        return int(self.values.get("model", {}).get("threads", 1))

    def seed_for(self, step: str) -> int:
        """The seed of one step: 63 bits, from the round's seed and the step's name."""
        return seeded(self.seed, step)


def seeded(*parts: object) -> int:
    """A seed of 63 bits from anything that has a stable text form."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:8]) >> 1


def read(workspace: Workspace) -> Round:
    """The round that was opened last.

    Raises:
        BadWorkspace: none was opened yet.
        Damaged: round.yaml is not whole.
    """
    return frozen(workspace, inputs(workspace))


def inputs(workspace: Workspace) -> Inputs:
    """The frozen inputs of the round that was opened last.

    Raises:
        BadWorkspace: none was opened yet.
        Damaged: round.yaml is not whole.
    """
    if not workspace.round.exists():
        raise BadWorkspace(f"no round was opened in {workspace.root}; `rounds round` opens one")
    try:
        return Inputs.from_yaml(workspace.round.read_text(encoding="utf-8"), str(workspace.round))
    except (yaml.YAMLError, UnicodeDecodeError, Damaged) as error:
        raise Damaged(f"{workspace.round} is not whole ({_reason(error)}); {_REOPEN}") from error


def frozen(workspace: Workspace, inputs: Inputs) -> Round:
    """The round with these inputs."""
    return Round(
        workspace=workspace,
        number=inputs.number,
        parent=inputs.parent,
        seed=inputs.seed,
        salt=inputs.salt,
        champion=inputs.champion,
        inbox=inputs.inbox,
        values=inputs.params,
    )


def circumstances(workspace: Workspace) -> Opened:
    """What opening wrote beside the inputs: when, from which commit, by which code, and the digest of round.yaml.

    Raises:
        Damaged: it is missing or not whole.
    """
    try:
        return Opened.load(workspace.opened)
    except (Damaged, FileNotFoundError) as error:
        raise Damaged(f"{workspace.opened} is missing or not whole ({_reason(error)}); {_REOPEN}") from error


def way_back(commit: str | None, dirty: bool) -> str:
    """How to get the code back that a round was opened with, as a part of a sentence."""
    if commit is None:
        return "it was in no git repository"
    but = ", except for the changes that were not committed then" if dirty else ""
    return f"`git checkout {commit}` brings it back{but}"


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0]


def key(workspace: Workspace, code: str) -> str:
    """The round key, 16 hex digits: the same key gives the same weights (on CPU) and the same verdict."""
    inputs = yaml.safe_load(workspace.round.read_text(encoding="utf-8"))
    return hashlib.sha256((json.dumps(inputs, sort_keys=True) + code).encode()).hexdigest()[:16]


def code_digest(root: Path = PROJECT) -> str:
    """Digest of all source files that change results, 16 hex digits."""
    sha = hashlib.sha256()
    for file in sorted(file for package in CODE for file in (root / package).rglob("*.py")):
        sha.update(f"{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes())
    return sha.hexdigest()[:16]
