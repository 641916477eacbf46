"""Reduce params.yaml to the knobs whose values are not the defaults."""

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
# The knobs that this workspace sets to other values than the defaults. docs/params.md lists every knob; `rounds params`
# prints the effective values and where each comes from. A round reads this file when it opens and keeps a copy in
# data/round.yaml. `-S section.knob=VALUE` overrides a knob for a single round. For example:
#
# policy:
#   steps: 20
#   kl:
#     target: 6
"""
"""The head of a params.yaml, and the whole content of a new one."""

_OLD_HEAD = "# Every knob of a round, with its default."
"""First line of a params.yaml of an earlier release, which lists every default."""


class TidyResult(NamedTuple):
    """The result of reducing a params.yaml."""

    removed: tuple[str, ...]
    """Dotted paths of the knobs that were removed; if empty, nothing was written."""
    backup: Path | None
    """A copy of the original file; None if nothing was written."""


def tidy(workspace: Workspace) -> TidyResult:
    """Remove knobs that equal their defaults from params.yaml, with their comments. A copy of the original is kept.

    A value that differs from the current default stays, even if it is a copy of an earlier default.

    Raises:
        BadParams: the file is invalid, or it uses YAML that cannot be reduced line by line (anchors, for example).
    """
    file, values = workspace.params, read(workspace.params)
    text, before = file.read_text(encoding="utf-8"), parse(RoundSettings, values, str(file))
    short = reduced(text, before.plain(), defaults_beside(before))
    removed = tuple(name for name in flat(values) if name not in flat(_values(short)))
    if not removed:
        return TidyResult((), None)
    if _params(short) != before.plain():
        raise BadParams(
            f"{file} cannot be reduced without changing its values; remove defaults by hand (see `rounds params`)"
        )
    backup = next(path for path in _backups(file) if not path.exists())
    write_text(backup, text)
    write_text(file, short)
    return TidyResult(removed, backup)


def reduced(text: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> str:
    """The lines of `text` for knobs whose effective values are not their defaults, with the comments above them."""
    lines = text.splitlines()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode) or root.flow_style:
        return text
    first, end = _comment_start(lines, root.value[0][0].start_mark.line), _comment_start(lines, len(lines))
    start = _head_end(lines, first, root.value[0][0].start_mark.line)
    head = HEAD.splitlines() if text.startswith(_OLD_HEAD) else lines[:start]
    body = list(_reduced_block(lines, root, start, end, values, defaults))
    return "\n".join([*head, *body, *lines[end:]]).strip("\n") + "\n"


def _reduced_block(
    lines: list[str], node: yaml.MappingNode, start: int, end: int, values: Any, defaults: Any
) -> Iterator[str]:
    """The lines from `start` to `end` of a YAML mapping, without the entries that equal their defaults."""
    starts = [start, *(_comment_start(lines, key.start_mark.line) for key, _ in node.value[1:]), end]
    for index, (key, value) in enumerate(node.value):
        begin, stop, name = starts[index], starts[index + 1], str(key.value)
        given, default = _child(values, name), _child(defaults, name)
        if given == default:
            continue
        if not isinstance(value, yaml.MappingNode) or value.flow_style or not isinstance(default, Mapping):
            yield from lines[begin:stop]
            continue
        inner = _comment_start(lines, value.value[0][0].start_mark.line)
        yield from lines[begin:inner]
        yield from _reduced_block(lines, value, inner, stop, given, default)


def _comment_start(lines: list[str], line: int) -> int:
    """Index of the first comment or blank line directly above a line; the line itself if there is none."""
    while line > 0 and (not lines[line - 1].strip() or lines[line - 1].lstrip().startswith("#")):
        line -= 1
    return line


def _head_end(lines: list[str], first: int, key: int) -> int:
    """Index of the last blank line above the first knob, where the head ends; `first` if there is none."""
    blank = [line for line in range(first, key) if not lines[line].strip()]
    return blank[-1] if blank else first


def _child(values: Any, name: str) -> Any:
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
