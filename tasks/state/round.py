"""One round as a value: its number, its frozen inputs and its workspace."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from core.errors import Damaged, NotFound
from core.settings import Settings, parse
from core.stored import Values
from core.yaml_text import parse_yaml
from tasks.state.inputs import Base, Champion, Inputs
from tasks.state.opening_facts import OpeningFacts
from tasks.state.workspace import PROJECT, Workspace

CODE = ("core", "evaluation", "feedback", "models", "tasks")
"""The packages whose source affects results; their digest is part of the round key."""

ENDINGS = (".py", ".txt", ".yaml")
"""Source files, and the prompts and demonstrations that ship."""

_REOPEN = "discard the round and open it again with `rounds round --reopen` (feedback already ingested is kept)"


@dataclass(frozen=True)
class Round:
    """The frozen inputs of a round. Steps read their inputs only from here."""

    workspace: Workspace
    number: int
    parent: str | None
    """Key of the previous round."""
    seed: int
    salt: str
    """Salt of the split of prompt groups; the same in all rounds of a workspace."""
    champion: Champion | None
    """The policy that the candidate has to beat; None in round 0."""
    inbox: Sequence[str]
    """Inbox files that this round ingests."""
    values: Values
    """Every effective parameter, by section."""
    claim: str | None = None
    """Digest of the single events that this round claimed and ingests; None without any."""
    forgotten: Sequence[str] = ()
    """SHA-256 of the ids of the annotators whose feedback this round leaves out."""
    base: Base | None = None
    """The base model. `tasks.state.model` has the folder that is loaded."""

    def knobs(self, section: str, model: type[Settings]) -> Settings:
        """One section of the frozen parameters, as its settings class."""
        return parse(model, self.values.get(section) or {}, f"{self.workspace.round}, params", (section,))

    @property
    def threads(self) -> int:
        """`model.threads`; 1 for rounds that were opened before this knob existed."""
        return int(self.values.get("model", {}).get("threads", 1))

    @property
    def deterministic(self) -> bool:
        """`model.deterministic`; false for rounds that were opened before this knob existed."""
        return bool(self.values.get("model", {}).get("deterministic", False))

    @property
    def sft_salt(self) -> str:
        """What base model and SFT are seeded with: from `params.seed`, the same in all rounds with this seed."""
        return salt_of_seed(self.values.get("seed", 0))

    def seed_for(self, step: str) -> int:
        """The seed of one step: 63 bits, from the round's seed and the step's name."""
        return seeded(self.seed, step)


def salt_of_seed(seed: int) -> str:
    """The text that base model and SFT are seeded with, 16 hex digits. It was the salt of the split too, once."""
    return f"{seeded(seed, 'split'):016x}"


def seeded(*parts: object) -> int:
    """A 63-bit seed from values whose `str()` is stable."""
    return int.from_bytes(hashlib.sha256("\0".join(map(str, parts)).encode()).digest()[:8]) >> 1


def read(workspace: Workspace) -> Round:
    """The round that was opened last.

    Raises:
        NotFound: no round has been opened.
        Damaged: round.yaml is incomplete or invalid.
    """
    return frozen(workspace, inputs(workspace))


def inputs(workspace: Workspace) -> Inputs:
    """The frozen inputs of the round that was opened last.

    Raises:
        NotFound: no round has been opened.
        Damaged: round.yaml is incomplete or invalid.
    """
    if not workspace.round.exists():
        raise NotFound(f"no round has been opened in {workspace.root}; open one with `rounds round`")
    try:
        return Inputs.from_yaml(workspace.round.read_text(encoding="utf-8"), str(workspace.round))
    except (yaml.YAMLError, UnicodeDecodeError, Damaged) as error:
        raise _damaged(workspace.round, error) from error


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
        claim=inputs.claim,
        forgotten=inputs.forgotten,
        base=inputs.base,
    )


def circumstances(workspace: Workspace) -> OpeningFacts:
    """The content of opened.json: time, commit, code digest and digest of round.yaml.

    Raises:
        Damaged: it is missing, incomplete or invalid.
    """
    try:
        return OpeningFacts.load(workspace.opened)
    except (Damaged, FileNotFoundError) as error:
        raise _damaged(workspace.opened, error) from error


def checkout_hint(commit: str | None, dirty: bool) -> str:
    """A clause that says how to check out the code that a round was opened with."""
    if commit is None:
        return "that code was not in a git repository"
    exception = ", except for uncommitted changes" if dirty else ""
    return f"`git checkout {commit}` restores it{exception}"


def _damaged(path: Path, error: Exception) -> Damaged:
    """The error about a file of the open round, with reopening as the cure."""
    line = f"{type(error).__name__}: {error}".partition("\n")[0]
    problem = error if isinstance(error, Damaged) else f"{path} is missing, incomplete or invalid ({line})"
    return Damaged(f"{problem}; {_REOPEN}")


def key(workspace: Workspace, code: str) -> str:
    """The round key, 16 hex digits. Equal keys give equal weights (on CPU) and equal verdicts."""
    inputs = parse_yaml(workspace.round.read_text(encoding="utf-8"))
    return hashlib.sha256((json.dumps(inputs, sort_keys=True) + code).encode()).hexdigest()[:16]


def code_digest(root: Path = PROJECT) -> str:
    """Digest of all source files, and files of shipped prompts, that affect results: 16 hex digits."""
    sha = hashlib.sha256()
    files = (file for package in CODE for ending in ENDINGS for file in (root / package).rglob(f"*{ending}"))
    for file in sorted(files):
        sha.update(f"{file.relative_to(root).as_posix()}\0".encode() + file.read_bytes())
    return sha.hexdigest()[:16]
