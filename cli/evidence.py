"""Everything on record about one version, as one archive for an auditor."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.filesize import decimal

from cli.lineage import WIDEST, drawn
from core.files import digest
from tasks.history.evidence import dossier, write
from tasks.state.workspace import current_or_new


def pack(folder: Path | None, asked: str, into: Path | None) -> None:
    """Write the archive, and say what is in it and what is missing."""
    found = dossier(current_or_new(folder), asked, _text)
    into = (into or Path(f"evidence-policy-{found.version.version}.zip")).resolve()
    write(found, into)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{into}: {len(found.files)} files, {decimal(into.stat().st_size)}, SHA-256 {digest(into)}")
    for part in found.missing:
        console.print(f"missing  {part.path}: {part.absent}")
    console.print("Evidence, not a claim of compliance; README.md maps it to NIST AI 600-1 and ISO/IEC 42001.")


def _text(told: Mapping[str, Any]) -> str:
    """The tree of `rounds lineage` as plain text, the same everywhere."""
    console = Console(width=WIDEST, color_system=None, force_terminal=False, legacy_windows=False)
    with console.capture() as capture:
        console.print(drawn(told), soft_wrap=True)
    return capture.get()
