"""A source that is tried on a file before it is named in params.yaml: its settings as they are typed."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from core.errors import BadParams
from core.plugins import make
from core.yaml_text import parse_yaml
from feedback.sources import Source


class Trial(NamedTuple):
    """A source, and the settings that it was made from."""

    source: Source
    settings: dict[str, Any]
    """`use` and the knobs as they were typed, and `path`."""

    @property
    def override(self) -> str:
        """The override for a round that reads the source."""
        return f"ingest.sources=[{json.dumps(self.settings, ensure_ascii=False)}]"


def trial(settings: Mapping[str, Any], path: Path) -> Trial:
    """The source with these settings and this path.

    Raises:
        BadParams: there is no such source, or a knob is missing, unknown or invalid.
        BadFeedback: a file that it reads does not exist.
    """
    knobs = {**settings, "path": str(path.resolve())}
    source = make("feedback.sources", str(settings["use"]), knobs, f"--source (use: {settings['use']})")
    if not isinstance(source, Source):
        raise BadParams("--source names no source; choose one of docs/feedback.md, Sources")
    source.check()
    return Trial(source, knobs)


def typed(text: str, path: Path) -> Trial:
    """The source that is typed as YAML: `{use: label_studio, prompt: prompt, config: labels.xml}`.

    Raises:
        BadParams: the text is no such mapping; see also `trial`.
        BadFeedback: see `trial`.
    """
    try:
        settings = parse_yaml(text)
    except yaml.YAMLError as error:
        raise BadParams(f"--source {text!r} cannot be read as YAML; correct or quote it: {error}") from error
    if not isinstance(settings, dict) or "use" not in settings:
        raise BadParams(f"--source {text!r}: expected settings of a source; write '{{use: NAME, KNOB: VALUE}}'")
    return trial(settings, path)
