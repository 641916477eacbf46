"""The origin of each knob's effective value: default, line of params.yaml, or override."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.nested import flat
from core.settings import line_numbers, override, read
from tasks.rounds.params import RoundSettings
from tasks.rounds.request import parsed
from tasks.state.workspace import Workspace

DEFAULT = "default"


class Knob(NamedTuple):
    """One knob with its effective value for the next round."""

    name: str
    """Dotted path, with its section: `policy.kl.target`."""
    value: Any
    origin: str
    """`default`, `params.yaml:LINE`, or the override as it was given."""
    changed: bool
    """True if the value is not the default."""


def origins(workspace: Workspace, overrides: Sequence[str] = ()) -> list[Knob]:
    """Every knob in the order of the sections.

    Raises:
        BadParams: a knob does not exist, or its value is invalid.
    """
    params = parsed(workspace, override(read(workspace.params), overrides), overrides)
    defaults, given = flat(defaults_beside(params)), _given(workspace, overrides)
    knobs = []
    for name, value in flat(params.plain()).items():
        origin = _origin(name, given)
        changed = value != defaults[name] if name in defaults else origin != DEFAULT
        knobs.append(Knob(name, value, origin, changed))
    return knobs


def defaults_beside(params: RoundSettings) -> dict[str, Any]:
    """The default of every knob; for section `policy`, the defaults of the algorithm that `params` uses."""
    values = RoundSettings(policy={"use": params.policy.name()}).plain()
    values["policy"]["use"] = RoundSettings().policy.name()
    return values


def _given(workspace: Workspace, overrides: Sequence[str]) -> dict[str, str]:
    """Dotted path → origin, for all knobs in the file or in an override; an override replaces entries of the file."""
    lines = line_numbers(workspace.params.read_text(encoding="utf-8"))
    given = {name: f"{workspace.params.name}:{line}" for name, line in lines.items()}
    for text in overrides:
        key = text.partition("=")[0].strip()
        given = {name: origin for name, origin in given.items() if not f"{name}.".startswith(f"{key}.")}
        given |= dict.fromkeys(flat(override({}, [text])), f"-S {text}")
    return given


def _origin(name: str, given: Mapping[str, str]) -> str:
    # `policy: ppo` is short for `policy: {use: ppo}`
    return given.get(name) or given.get(name.removesuffix(".use")) or DEFAULT
