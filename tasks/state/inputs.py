"""round.yaml as a typed value: the frozen inputs of a round.

The content of round.yaml is hashed into the round key, so it holds no format version; opened.json beside it does.
"""

from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import ConfigDict, SerializerFunctionWrapHandler, model_serializer

from core.stored import Json, Value, Values
from core.yaml_text import parse_yaml


class Champion(Value):
    """The policy that the candidate of a round has to beat."""

    version: str
    digest: str
    """SHA-256 (hex) of the weights."""


class Base(Value):
    """The base model that a round starts from."""

    name: str
    """`model.base` as it was set: `scratch`, a name, a digest, a folder, or a model id on the Hugging Face Hub."""
    digest: str
    """Digest of its content, see `tasks.state.bases`; `scratch` for a new model. Earlier releases wrote the model id of
    the hub, or the SHA-256 of a whole folder."""
    imported: str | None = None
    """What `rounds import` made the SFT model of the rounds: the digest of the base itself, or of an adapter in
    `data/imported`; None if the SFT model is trained on demonstrations."""

    @model_serializer(mode="wrap")
    def _without_unset(self, serialise: SerializerFunctionWrapHandler) -> Json:
        """A round without an import has the key that it had before there were imports."""
        fields: Json = serialise(self)
        return {name: value for name, value in fields.items() if name != "imported" or value is not None}


class Inputs(Value):
    """The inputs that opening a round froze. Unknown keys are preserved, because they are part of the round key."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    number: int
    parent: str | None = None
    """Key of the previous round."""
    seed: int
    salt: str
    """Salt of the split of prompt groups; the same in all rounds of a workspace."""
    champion: Champion | None = None
    """None in round 0."""
    base: Base
    code: str
    """Digest of the source files that change results."""
    feedback: str
    """Digest of the feedback store before the round ingested anything."""
    inbox: tuple[str, ...] = ()
    """Inbox files that the round ingests."""
    claim: str | None = None
    """Digest of the single events that the round claimed in the feedback database and ingests; None without any."""
    forgotten: tuple[str, ...] = ()
    """SHA-256 of the ids of the annotators whose feedback the round leaves out, sorted."""
    params: Values
    """Every effective parameter, by section."""

    @model_serializer(mode="wrap")
    def _without_unset(self, serialise: SerializerFunctionWrapHandler) -> Json:
        """A round that was opened before a field existed keeps its key: the field is written only if it was set."""
        fields: Json = serialise(self)
        unset = {"claim", "forgotten"} - self.model_fields_set
        return {name: value for name, value in fields.items() if name not in unset}

    def to_yaml(self) -> str:
        """The text of round.yaml."""
        return yaml.safe_dump(self.to_json(), sort_keys=False, allow_unicode=True)

    @classmethod
    def from_yaml(cls, text: str, origin: str) -> "Inputs":
        """Parse the text of round.yaml.

        Raises:
            Damaged: a field is missing or has the wrong type.
            YAMLError: the text is not valid YAML.
        """
        return cls.from_json(parse_yaml(text), origin)

    def value(self, name: str) -> Any:
        """The value under a dotted name, such as `params.policy.clip`; dvc.yaml declares dependencies this way."""
        value: Any = self.to_json()
        for part in name.split("."):
            value = value[part]
        return value

    def reward_server(self) -> str | None:
        """The server that scores the answers that the policy is trained on, with what it stated; None without one."""
        reward = self.params.get("policy", {}).get("reward")
        if not isinstance(reward, Mapping) or "url" not in reward:
            return None
        return f"{reward['url']}, which stated {reward['states']}"

    def use(self, section: str, knob: str | None = None) -> str | None:
        """Name of the plug-in that a section, or one of its knobs, selects with `use`; None if it selects none."""
        value: Any = self.params[section]
        value = value if knob is None else value.get(knob)
        return str(value["use"]) if isinstance(value, Mapping) else None
