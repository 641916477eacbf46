"""YAML texts as values: the keys of a mapping are texts, and each is written once.

PyYAML builds a Python dictionary, in which `true` equals `1`, `false` equals `0`, and the last of two equal keys
silently replaces the first. Here `true` and `1` are the keys "true" and "1"; a key that is written twice is an error.
"""

from collections.abc import Iterator
from typing import Any

import yaml

_SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT, _MERGE = "tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"


def parse_yaml(text: str) -> Any:
    """The value in a YAML text. Where PyYAML has libyaml, this takes a tenth of the time of `yaml.safe_load`.

    Raises:
        yaml.YAMLError: the text is not YAML, or a key is written twice in one mapping.
    """
    loader = _SAFE_LOADER(text)  # not `yaml.load`, which takes any loader, also one that runs code
    try:
        root = loader.get_single_node()
        for mapping in _mappings(root, set()):
            _name_keys(loader, mapping)
        return None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


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
