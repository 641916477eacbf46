"""YAML texts as values: the keys of a mapping are texts, and each is written once.

PyYAML builds a Python dictionary, in which `true` equals `1`, `false` equals `0`, and the last of two equal keys
silently replaces the first. Here `true` and `1` are the keys "true" and "1"; a key that is written twice is an error.
"""

from collections.abc import Iterator
from typing import Any

import yaml

_SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


DEEPEST = 100
"""Levels of nesting. Python's parsers fail in their own ways on texts that are nested thousands of levels deep."""

MOST_REPEATED = 10_000
"""Values that aliases (`*name`) may add: nine lines of YAML can otherwise stand for billions of values."""


def parse_yaml(text: str) -> Any:
    """The value in a YAML text. Where PyYAML has libyaml, this takes a tenth of the time of `yaml.safe_load`.

    Raises:
        yaml.YAMLError: the text is not YAML, a key is written twice in one mapping, the text is nested too deeply, its
            aliases stand for too many values or for themselves, or a number or date is impossible.
    """
    aliases = _check_events(text)
    loader = _SAFE_LOADER(text)  # not `yaml.load`, which takes any loader, also one that runs code
    try:
        root = loader.get_single_node()
        if aliases:
            _check_aliases(root)
        for mapping in _mappings(root, set()):
            _name_keys(loader, mapping)
        return None if root is None else loader.construct_document(root)
    except ValueError as error:  # a number of more than 4,300 digits, a date such as 2024-13-45
        raise yaml.YAMLError(f"{error}; quote it if it is a text") from error
    finally:
        loader.dispose()


def _check_events(text: str) -> bool:
    """True if the text has aliases. It stops at the first level that is too deep, before any parser is."""
    depth, aliases = 0, False
    for event in yaml.parse(text, Loader=_SAFE_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        aliases = aliases or isinstance(event, yaml.AliasEvent)
        if depth > DEEPEST:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise yaml.YAMLError(f"line {line}: nested more than {DEEPEST} levels deep")
    return aliases


def _check_aliases(root: Any) -> None:
    sizes: dict[int, int] = {}
    expanded = _size(root, sizes)
    if expanded - len(sizes) > MOST_REPEATED:
        raise yaml.YAMLError(f"its aliases (*name) stand for {expanded:,} values; write the values that are meant")


def _size(node: Any, sizes: dict[int, int]) -> int:
    """The number of values that a node stands for; each node is looked at once."""
    if sizes.get(id(node)) == 0:
        raise yaml.YAMLError(f"line {node.start_mark.line + 1}: an alias (*name) stands for a value that contains it")
    if id(node) not in sizes:
        sizes[id(node)] = 0
        sizes[id(node)] = 1 + sum(_size(inner, sizes) for inner in _parts(node))
    return sizes[id(node)]


def _parts(node: Any) -> Iterator[Any]:
    if isinstance(node, yaml.MappingNode):
        yield from (part for pair in node.value for part in pair)
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def text_of(value: object) -> str:
    """A value as it is written in a map: `true`, `null`, `1`, `left`."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else f"{value:g}"
    return str(value)


def _mappings(node: Any, seen: set[int]) -> Iterator[yaml.MappingNode]:
    """All mappings of a document, each once: an alias is the node that it names."""
    if id(node) in seen or not isinstance(node, yaml.CollectionNode):
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        yield node
        yield from (inner for pair in node.value for part in pair for inner in _mappings(part, seen))
    else:
        yield from (inner for part in node.value for inner in _mappings(part, seen))


def _name_keys(loader: Any, mapping: yaml.MappingNode) -> None:
    """Replace keys that YAML reads as numbers, booleans or null by their texts."""
    lines: dict[str, int] = {}
    for ix, (key, value) in enumerate(mapping.value):
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        name = key.value if key.tag == _TEXT else text_of(loader.construct_object(key))
        line = key.start_mark.line + 1
        if name in lines:
            raise yaml.YAMLError(
                f"line {line}: the key {name} is written twice, first in line {lines[name]}; remove one of the two, "
                f"or quote the one that is a text, such as 'yes', which YAML reads as true without quotes"
            )
        lines[name] = line
        mapping.value[ix] = (yaml.ScalarNode(_TEXT, name, key.start_mark, key.end_mark), value)
