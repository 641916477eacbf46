"""The README.md of an evidence archive: its files, their headings, and the missing parts."""

from collections.abc import Collection, Sequence
from pathlib import Path

from tasks.history.evidence.headings import (
    CONSIDERATIONS,
    CONTROLS,
    OBJECTIVES,
    PARTS,
    RISKS,
    EvidencePart,
    numbered,
    title,
)
from tasks.pages.markdown import render
from tasks.registry.versions import ModelVersion


def index(version: ModelVersion, files: Collection[str], missing: Sequence[EvidencePart]) -> str:
    """The page, as Markdown.

    Args:
        version: the version that the archive is about.
        files: the paths in the archive.
        missing: the parts that are not in it.
    """
    present = [part for part in PARTS if part.path in files]
    nist = {**{name: name for name in CONSIDERATIONS}, **{numbered(risk): risk for risk in RISKS}}
    return render(
        Path(__file__).parent / "index.md.jinja",
        version=version,
        parts=present,
        missing=missing,
        title=title,
        controls=CONTROLS,
        nist=[(shown, [part.path for part in present if heading in part.nist]) for heading, shown in nist.items()],
        iso=[(name, [part.path for part in present if _belongs_to(name, part)]) for name in OBJECTIVES],
    )


def _belongs_to(objective: str, part: EvidencePart) -> bool:
    """True if one of the controls of a part belongs to an objective of Annex A."""
    return any(control.startswith(f"{numbered(objective)}.") for control in part.iso)
