"""params.yaml can be read, and has only sections that exist."""

import difflib
from collections.abc import Iterator

from core.errors import BadParams
from core.settings import BaseSettings, read, section
from tasks.doctor.diagnosis import Diagnosis, error, path, rounds
from tasks.people.approval import ApprovalSettings
from tasks.registry.audit import AuditSettings
from tasks.registry.promotion import PromotionSettings
from tasks.state.intake import IngestSettings
from tasks.state.sampler import SamplerSettings
from tasks.state.steps import STEPS
from tasks.state.workspace import Workspace
from tasks.tools import traces
from tasks.tools.versioning import VersioningSettings
from tasks.watch.guards import WatchSettings

SECTIONS = (*STEPS, "seed", "model", "sampler", "approval", "promotion", "watch", "versioning", "audit", "steps")
"""Every section of the parameters."""

CHECKED: dict[str, type[BaseSettings]] = {
    "ingest": IngestSettings,
    "sampler": SamplerSettings,
    "approval": ApprovalSettings,
    "promotion": PromotionSettings,
    "watch": WatchSettings,
    "versioning": VersioningSettings,
    "audit": AuditSettings,
}
"""Sections whose knobs are checked here; those of the others need torch, and `rounds params` checks them."""


def check(workspace: Workspace) -> Iterator[Diagnosis]:
    """A missing or invalid file, unknown sections, invalid knobs, sources that do not exist."""
    if not workspace.params.exists():
        yield error(f"{workspace.params} is missing", f"touch {path(workspace.params)}")
        return
    try:
        values = read(workspace.params)
    except BadParams as problem:
        yield error(str(problem))
        return
    for name in values:
        if name not in SECTIONS:
            close = difflib.get_close_matches(name, SECTIONS, n=1)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield error(f"{workspace.params}: there is no section {name}{hint}", rounds(workspace, "params"))
    for name, settings in CHECKED.items():
        section(settings, values, name, workspace.params)
    knobs = section(IngestSettings, values, "ingest", workspace.params)
    for source in traces.connected(knobs.sources, workspace.root):
        source.check()
