"""Pages that are written by the code they describe: params.yaml and docs/cli.md. A test holds them against it."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import yaml
from pydantic import BaseModel

from tasks.rounds.params import RoundSettings
from tasks.state.workspace import PROJECT

HEAD = """\
# Every knob of a round, with its default. Written by `make docs`; edit values freely, a round reads this file when it
# opens and keeps a copy (data/round.yaml). `-S section.knob=VALUE` overrides one for a single round.
# `use: x` names the file x.py among the plug-ins.
"""

COMMANDS = (
    *(
        "round",
        "step",
        "plan",
        "status",
        "votes pull",
        "votes push",
        "approve",
        "rollback",
        "promote",
        "cooldown",
        "watch",
    ),
    *("watch", "drift", "feedback", "lineage", "evidence", "diff", "replay", "blame", "explain", "incident"),
    *("incident open", "incident note", "incident close", "incident list", "incident show", "audit", "gc"),
)
"""The commands of `rounds`, in the order of their page."""


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
    parts = ["# Command line\n\nWritten by `make docs`.\n"]
    for words in ([], *(name.split() for name in COMMANDS)):
        command = ["rounds", *words, "--help"]
        done = subprocess.run(
            [sys.executable, "-m", "cli", *words, "--help"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": "", "COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"},
        )
        text = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
        parts.append(f"## `{' '.join(command)}`\n\n```\n{text}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (PROJECT / "params.yaml").write_text(params_yaml(RoundSettings(policy={"use": "ppo"})), encoding="utf-8")
    (PROJECT / "docs" / "cli.md").write_text(cli_page(), encoding="utf-8")
