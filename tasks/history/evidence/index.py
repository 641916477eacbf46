"""The first page of an evidence archive: what is in it, under which headings, and what is missing."""

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
        version: what the archive is about.
        files: the paths that are in it.
        missing: the parts that are not.
    """
    here = [part for part in PARTS if part.path in files]
    nist = {**{name: name for name in CONSIDERATIONS}, **{numbered(risk): risk for risk in RISKS}}
    return render(
        Path(__file__).parent / "index.md.jinja",
        version=version,
        parts=here,
        missing=missing,
        title=title,
        controls=CONTROLS,
        nist=[(shown, [part.path for part in here if heading in part.nist]) for heading, shown in nist.items()],
        iso=[(name, [part.path for part in here if _under(name, part)]) for name in OBJECTIVES],
    )


def _under(objective: str, part: EvidencePart) -> bool:
    """Whether one of a part's controls belongs to an objective of Annex A."""
    return any(control.startswith(f"{numbered(objective)}.") for control in part.iso)
