"""dvc.lock written with libyaml, and replaced atomically, where DVC writes it in place.

DVC reads and writes it with a parser that keeps comments, of which dvc.lock has none. For a file of 19 KB that takes
.19 s of processor time a step, with libyaml .013 s. DVC reads the same values; quotes, line breaks in long texts, and
the spelling of null and of floats are others.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml.resolver import implicit_resolvers

from core.files import write_text

WIDE = 2**31 - 1
"""Columns: texts are not broken."""
_YAML_1_2 = (1, 2)
"""The version of YAML that DVC reads; PyYAML's own resolvers are those of 1.1, where `on` is true and 1:30 is 90."""


@contextmanager
def written_fast() -> Iterator[None]:
    """Inside, DVC reads dvc.lock with libyaml and replaces it."""
    from dvc import dvcfile

    original = dvcfile.modify_yaml
    dvcfile.modify_yaml = _modified
    try:
        yield
    finally:
        dvcfile.modify_yaml = original


@contextmanager
def _modified(path: Any, fs: object = None) -> Iterator[dict[str, Any]]:
    """In place of `dvc.utils.serialize.modify_yaml`: the contents of the file, which is written afterwards."""
    file = Path(path)
    loader, dumper = _classes()
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    data = loader(text).get_single_data() or {}
    yield data
    write_text(
        file, yaml.dump(data, None, dumper, sort_keys=False, default_flow_style=False, allow_unicode=True, width=WIDE)
    )


@cache
def _classes() -> tuple[Any, Any]:
    """A loader and a dumper for YAML 1.2, written in C where PyYAML has libyaml."""

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # a class chosen at run time
        yaml_implicit_resolvers = _resolvers()

    class Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]  # a class chosen at run time
        yaml_implicit_resolvers = _resolvers()

        def ignore_aliases(self, data: object) -> bool:
            return True

    Dumper.add_multi_representer(dict, lambda dumper, data: dumper.represent_dict(data.items()))
    return Loader, Dumper


def _resolvers() -> dict[str, list[tuple[str, Any]]]:
    """First character → (tag, pattern) of the plain scalars that are not strings."""
    resolvers: dict[str, list[tuple[str, Any]]] = {}
    for versions, tag, pattern, characters in implicit_resolvers:
        if _YAML_1_2 in versions:
            for character in characters:
                resolvers.setdefault(character, []).append((tag, pattern))
    return resolvers
