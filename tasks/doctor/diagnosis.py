"""What a check of `rounds doctor` reports: how bad, what is wrong, and the command that mends it."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from shlex import quote
from typing import NamedTuple

from core.stored import Json
from tasks.state.workspace import Workspace


class Severity(StrEnum):
    """How bad a diagnosis is, from harmless to serious."""

    OK = "ok"
    """The check found nothing."""
    NOTE = "note"
    """Worth knowing; everything works."""
    WARNING = "warning"
    """Something does not work, or will soon not work; the champion is not affected."""
    ERROR = "error"
    """Rounds, the champion or the records are affected."""


ORDER = tuple(Severity)
"""From harmless to serious."""


class Diagnosis(NamedTuple):
    """One thing that a check found."""

    severity: Severity
    text: str
    """What is wrong, in a sentence without a full stop."""
    cure: str | None = None
    """The command that mends it, as it is typed; None if no command does."""
    check: str = ""
    """The name of the check."""

    def to_json(self) -> Json:
        """As plain values."""
        return {"check": self.check, "severity": str(self.severity), "text": self.text, "cure": self.cure}


Check = Callable[[Workspace], Iterator[Diagnosis]]
"""The function `check` of a module in `tasks/doctor/checks/`. It reads; it never writes."""


def note(text: str, cure: str | None = None) -> Diagnosis:
    """A diagnosis that is worth knowing."""
    return Diagnosis(Severity.NOTE, text, cure)


def warning(text: str, cure: str | None = None) -> Diagnosis:
    """A diagnosis of something that does not work, or soon will not."""
    return Diagnosis(Severity.WARNING, text, cure)


def error(text: str, cure: str | None = None) -> Diagnosis:
    """A diagnosis that affects rounds, the champion or the records."""
    return Diagnosis(Severity.ERROR, text, cure)


def rounds(workspace: Workspace, words: str) -> str:
    """The command `rounds WORDS` for a workspace."""
    return f"rounds {words} -w {path(workspace.root)}"


def path(file: Path) -> str:
    """A path as it is typed."""
    return quote(str(file))
