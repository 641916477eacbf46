"""params.yaml without what it merely repeats: only the knobs stay whose values are not the defaults."""

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from core.errors import BadParams
from core.files import write_text
from core.nested import flat
from core.settings import parse, read
from tasks.rounds.origins import defaults_beside
from tasks.rounds.params import RoundSettings
from tasks.state.workspace import Workspace

HEAD = """\
# What this workspace sets otherwise than the defaults. docs/params.md lists every knob; `rounds params` prints the
# values in effect, and where each comes from. A round reads this file when it opens and keeps a copy in
# data/round.yaml. `-S section.knob=VALUE` sets a knob for a single round. For example:
#
# policy:
#   steps: 20
#   kl:
#     target: 6
"""
"""The first lines of a params.yaml, and all of a new one."""

_OLD_HEAD = "# Every knob of a round, with its default."
"""How a params.yaml begins that holds every default."""


class Tidied(NamedTuple):
    """What became of a params.yaml."""

    removed: tuple[str, ...]
    """Knobs that it set to their defaults, by dotted name; empty where there were none, and nothing was written."""
    backup: Path | None
    """The file as it was."""


def tidy(workspace: Workspace) -> Tidied:
    """Remove from params.yaml what equals the defaults, with the comments on it. The file as it was stays beside it.

    A value that differs from today's default stays, though it may be a copy of an earlier default.

    Raises:
        BadParams: the file cannot be used, or it is written in a way that cannot be reduced (anchors, for example).
    """
    file, values = workspace.params, read(workspace.params)
    text, before = file.read_text(encoding="utf-8"), parse(RoundSettings, values, str(file))
    short = reduced(text, before.plain(), defaults_beside(before))
    removed = tuple(name for name in flat(values) if name not in flat(_values(short)))
    if not removed:
        return Tidied((), None)
    if _params(short) != before.plain():
        raise BadParams(
            f"{file} cannot be reduced without changing its values; remove by hand what `rounds params` shows"
        )
    backup = next(path for path in _backups(file) if not path.exists())
    write_text(backup, text)
    write_text(file, short)
    return Tidied(removed, backup)


def reduced(text: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The lines of `text` on knobs whose effective values are not their defaults, with the comments above them."""
    lines = text.splitlines()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        return text
    first, end = _above(lines, root.value[0][0].start_mark.line), _above(lines, len(lines))
    start = _head_end(lines, first, root.value[0][0].start_mark.line)
    head = HEAD.splitlines() if text.startswith(_OLD_HEAD) else lines[:start]
    body = list(_kept(lines, root, start, end, values, defaults))
    return "\n".join([*head, *body, *lines[end:]]).strip("\n") + "\n"


def _kept(lines: list[str], node: yaml.MappingNode, start: int, end: int, values: Any, defaults: Any) -> Iterator[str]:
    """The lines from `start` to `end` of a block of entries, without the entries whose values are their defaults."""
    starts = [start, *(_above(lines, key.start_mark.line) for key, _ in node.value[1:]), end]
    for index, (key, value) in enumerate(node.value):
        begin, stop, name = starts[index], starts[index + 1], str(key.value)
        mine, default = _under(values, name), _under(defaults, name)
        if mine == default:
            continue
        if not isinstance(value, yaml.MappingNode) or value.flow_style or not isinstance(default, Mapping):
            yield from lines[begin:stop]
            continue
        inner = _above(lines, value.value[0][0].start_mark.line)
        yield from lines[begin:inner]
        yield from _kept(lines, value, inner, stop, mine, default)


def _above(lines: list[str], line: int) -> int:
    """The first of the comments and blank lines that stand directly above a line."""
    while line > 0 and (not lines[line - 1].strip() or lines[line - 1].lstrip().startswith("#")):
        line -= 1
    return line


def _head_end(lines: list[str], first: int, key: int) -> int:
    """Where the comments on the first knob begin: after the last blank line above it, where there is one."""
    blank = [line for line in range(first, key) if not lines[line].strip()]
    return blank[-1] if blank else first


def _under(values: Any, name: str) -> Any:
    return values.get(name, ...) if isinstance(values, Mapping) else ...


def _values(text: str) -> dict[str, Any]:
    try:
        return yaml.safe_load(text) or {}
    except yaml.YAMLError:
        return {}


def _params(text: str) -> dict[str, Any]:
    return parse(RoundSettings, _values(text), "the reduced params.yaml").plain()


def _backups(file: Path) -> Iterator[Path]:
    yield file.with_name(f"{file.name}.bak")
    yield from (file.with_name(f"{file.name}.bak{number}") for number in count(2))
