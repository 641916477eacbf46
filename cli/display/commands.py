"""Commands in messages, with the options that chose the workspace and the knobs of the command that prints them.

A message names `rounds round`; whoever typed `-w DIR` has to type it again, or the project's own workspace is used.
"""

import re
import shlex
from collections.abc import Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import NamedTuple

from core.process import ShownRecord

WITHOUT_WORKSPACE = ("rounds init", "rounds feedback inspect", "rounds audit keygen")
"""Commands without the option `-w`, or that get it otherwise."""

REOPENING = "rounds round --reopen"
"""The command that reads the knobs anew, and so needs the overrides again."""

_COMMAND = re.compile(r"`(rounds [^`]+)`")


class CompletedRecord(ShownRecord):
    """A log record whose commands can be typed as they are printed, such as the cures in a warning."""

    def getMessage(self) -> str:
        """The message with its arguments."""
        return completed(super().getMessage())


class Options(NamedTuple):
    """Options of the running command that a command in its messages needs too."""

    workspace: Path | None = None
    overrides: Sequence[str] = ()


_NONE = Options()
_OPTIONS: ContextVar[Options] = ContextVar("options", default=_NONE)


def forget() -> None:
    """Start a command without options."""
    _OPTIONS.set(_NONE)


def keep_workspace(folder: Path | None) -> Path | None:
    """Note the option `-w`; returns it."""
    _OPTIONS.set(_OPTIONS.get()._replace(workspace=folder))
    return folder


def keep_overrides(overrides: list[str] | None) -> list[str] | None:
    """Note the options `-S`; returns them."""
    _OPTIONS.set(_OPTIONS.get()._replace(overrides=tuple(overrides or ())))
    return overrides


def workspace() -> Path | None:
    """The option `-w` of the running command."""
    return _OPTIONS.get().workspace


def completed(message: str) -> str:
    """The message, in which each `rounds …` can be typed as it is printed: with `-w`, and with `-S` where it counts."""
    return _COMMAND.sub(lambda match: f"`{_completed(match[1])}`", message)


def _completed(command: str) -> str:
    folder, overrides = _OPTIONS.get()
    if command == REOPENING:
        command = " ".join([command, *(f"-S {shlex.quote(override)}" for override in overrides)])
    needless = folder is None or command.startswith(WITHOUT_WORKSPACE)
    if needless or re.search(r" (-w|--workspace)\b", command):
        return command
    return f"{command} -w {shlex.quote(str(folder))}"
