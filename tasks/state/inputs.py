"""round.yaml as a value: the frozen inputs of a round. Its bytes go into the round's key, so no number of a form is in
it; opened.json, written beside it, has one.
"""

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import ConfigDict

from core.stored import Value, Values


class Champion(Value):
    """The policy that the candidate of a round has to beat."""

    version: str
    digest: str
    """SHA-256 (hex) of its weights."""


class Base(Value):
    """The base model that a round starts from."""

    name: str
    """`scratch`, a folder, or a name on the Hugging Face hub."""
    digest: str
    """SHA-256 (hex) of a folder, else the name."""


class Inputs(Value):
    """What opening a round froze. A key that this version does not know is kept: it belongs to the round's key."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    number: int
    parent: str | None = None
    """Key of the round before."""
    seed: int
    salt: str
    """Keys the split of prompt groups; the same in all rounds of a workspace."""
    champion: Champion | None = None
    """None in round 0."""
    base: Base
    code: str
    """Digest of the source files that change results."""
    feedback: str
    """Digest of the feedback store, before the round took anything in."""
    inbox: tuple[str, ...] = ()
    """Files of handed-in feedback that the round takes in."""
    params: Values
    """Every effective parameter, by section."""

    def to_yaml(self) -> str:
        """As round.yaml holds it."""
        return yaml.safe_dump(self.to_json(), sort_keys=False, allow_unicode=True)

    @classmethod
    def from_yaml(cls, text: str, origin: str) -> "Inputs":
        """Back from round.yaml.

        Raises:
            Damaged: a field is missing or of another type.
            YAMLError: it is no YAML.
        """
        return cls.from_json(yaml.safe_load(text), origin)

    def value(self, name: str) -> Any:
        """The value under a dotted name, such as `params.policy.clip`, as dvc.yaml names what a step reads."""
        found: Any = self.to_json()
        for part in name.split("."):
            found = found[part]
        return found

    def use(self, section: str, knob: str | None = None) -> str | None:
        """The plug-in that a section (or a knob of it) uses; None where none is."""
        found: Any = self.params[section]
        found = found if knob is None else found.get(knob)
        return str(found["use"]) if isinstance(found, Mapping) else None
