"""Pages that are written by the code they describe: params.yaml and docs/cli.md. A test holds them against it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer
import yaml
from pydantic import BaseModel

from cli.app import app
from tasks.state.workspace import PROJECT

if TYPE_CHECKING:
    from tasks.rounds.params import RoundSettings

HEAD = """\
# Every knob of a round, with its default. Written by `make docs`; edit values freely, a round reads this file when it
# opens and keeps a copy (data/round.yaml). `-S section.knob=VALUE` overrides one for a single round.
# `use: x` names the file x.py among the plug-ins.
"""

PLAIN = {"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}
"""A terminal of 100 columns without colours, whatever the one in use is."""


def params_yaml(params: RoundSettings) -> str:
    """All knobs as commented YAML."""
    return HEAD + "\n".join(_lines(params, 0)) + "\n"


def _lines(model: BaseModel, depth: int) -> Iterator[str]:
    pad = "  " * depth
    values = model.model_dump(mode="json")
    if "use" in values:
        yield f"{pad}use: {values['use']}"
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        nested = isinstance(value, BaseModel)
        if depth == 0:
            yield ""
        if field.description and not nested:
            yield from (f"{pad}# {line}" for line in field.description.splitlines())
        yield from _entry(name, value, values[name], depth)


def _entry(name: str, value: Any, plain: Any, depth: int) -> Iterator[str]:
    pad = "  " * depth
    if isinstance(value, BaseModel):
        doc = (type(value).__doc__ or "").splitlines()
        if doc:
            yield f"{pad}# {doc[0]}"
        yield f"{pad}{name}:"
        yield from _lines(value, depth + 1)
    elif isinstance(value, dict):
        yield f"{pad}{name}:"
        for key, plugin in value.items():
            yield from _plugin(key, plugin, depth + 1)
    else:
        yield f"{pad}{name}: {_inline(plain)}"


def _plugin(name: str, plugin: BaseModel, depth: int) -> Iterator[str]:
    """A plug-in under its own name: it needs no `use`."""
    pad = "  " * depth
    yield f"{pad}# {(type(plugin).__doc__ or '').splitlines()[0]}"
    lines = [line for line in _lines(plugin, depth + 1) if not line.strip().startswith("use:")]
    yield f"{pad}{name}:" if lines else f"{pad}{name}: {{}}"
    yield from lines


def _inline(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=1000, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def cli_page() -> str:
    """The help texts of all commands."""
    from typer.testing import CliRunner

    parts = ["# Command line\n\nWritten by `make docs`.\n"]
    for words in [[], *commands()]:
        command = ["rounds", *words, "--help"]
        shown = CliRunner(env=PLAIN).invoke(app, command[1:], prog_name="rounds").stdout
        text = "\n".join(line.rstrip() for line in shown.strip().splitlines())
        parts.append(f"## `{' '.join(command)}`\n\n```\n{text}\n```\n")
    return "\n".join(parts)


def commands() -> list[list[str]]:
    """Every command as the words typed for it, in the order of `rounds --help`; a family before its members."""
    import cli.__main__  # noqa: F401, registers all of them

    return list(_below(typer.main.get_command(app), []))


def _below(command: Any, words: list[str]) -> Iterator[list[str]]:
    if words:
        yield words
    for name in command.list_commands(None) if hasattr(command, "commands") else ():
        yield from _below(command.commands[name], [*words, name])


if __name__ == "__main__":
    from tasks.rounds.params import RoundSettings

    (PROJECT / "params.yaml").write_text(params_yaml(RoundSettings(policy={"use": "ppo"})), encoding="utf-8")
    (PROJECT / "docs" / "cli.md").write_text(cli_page(), encoding="utf-8")
