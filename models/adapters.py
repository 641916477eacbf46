"""The files of adapters: low-rank changes of one frozen base (LoRA; Hu et al. 2022).

peft saves its targets as a set and the path of the base, so that equal adapters have different files. The files here
are a sorted `adapter.json` without paths, and the tensors under sorted names. `models.shared_base` has the adapters in
memory.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.pytorch_utils import Conv1D

from core.errors import BadModel, BadParams
from core.files import read_json, write_json
from core.settings import BaseSettings
from models import adaptable
from models.meta_model import meta_model

FILE = "adapter.json"
TENSORS = "adapter.safetensors"
TEMPLATE = "chat_template.jinja"
FORM = 1
"""Version of the files."""


class AdapterSettings(BaseSettings):
    """Low-rank adapters in place of training all weights. Dropout is always 0."""

    rank: int = Field(8, ge=1)
    """Rank of the change of each matrix."""
    alpha: float = Field(16.0, gt=0)
    """The change is multiplied by alpha / rank."""
    targets: Literal["all-linear"] | tuple[str, ...] = "all-linear"
    """Names of the layers that are changed, for example `[q_proj, v_proj]`; `all-linear` for all that can have
    an adapter but the output layer."""


class AdapterFacts(NamedTuple):
    """What `adapter.json` holds."""

    rank: int
    alpha: float
    targets: tuple[str, ...]
    """Names of the changed layers, sorted."""
    base: str
    """Digest of the base."""


def is_adapter(folder: Path) -> bool:
    """Whether a saved model is an adapter."""
    return (folder / FILE).exists()


def read(folder: Path) -> AdapterFacts:
    """What `adapter.json` of a saved adapter says.

    Raises:
        BadModel: it is damaged, or of a newer version.
    """
    return parsed(read_json(folder / FILE), str(folder / FILE))


def parsed(values: Any, origin: str) -> AdapterFacts:
    """The same for the content of `adapter.json`; `origin` names it in errors.

    Raises:
        BadModel: see `read`.
    """
    try:
        if values["form"] != FORM:
            raise BadModel(f"{origin} has the form {values['form']}, which a newer version wrote; install that version")
        return AdapterFacts(values["rank"], values["alpha"], tuple(values["targets"]), values["base"])
    except (KeyError, TypeError) as error:
        raise BadModel(f"{origin} is damaged: {error!r}; copy the version again") from error


def write(folder: Path, facts: AdapterFacts, tensors: Mapping[str, Tensor], template: str | None) -> None:
    """Write an adapter to an existing folder. The same adapter gives the same bytes.

    Args:
        folder: where to.
        facts: for `adapter.json`.
        tensors: the weights by name, on the CPU; see `SharedBase.tensors`.
        template: the chat template.
    """
    save_file(dict(tensors), folder / TENSORS)
    write_json(folder / FILE, {"form": FORM, **facts._asdict()})
    if template:
        (folder / TEMPLATE).write_text(template, encoding="utf-8")


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """The weights of a saved adapter by name; see `SharedBase.tensors`.

    Raises:
        BadModel: the file is missing or damaged.
    """
    try:
        return load_file(folder / TENSORS)
    except (SafetensorError, OSError) as error:
        raise BadModel(f"{folder / TENSORS} is damaged or incomplete: {error}; copy the version again") from error


def tokenizer(of_base: PreTrainedTokenizerBase, folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a saved adapter: that of its base, with the chat template of the adapter."""
    template = (folder / TEMPLATE).read_text(encoding="utf-8") if (folder / TEMPLATE).exists() else None
    if template == of_base.chat_template:
        return of_base
    changed: PreTrainedTokenizerBase = copy.deepcopy(of_base)
    changed.chat_template = template
    return changed


def targets(model: PreTrainedModel, wanted: str | tuple[str, ...]) -> tuple[str, ...]:
    """The last parts of the names of the layers that adapters change, sorted.

    Raises:
        BadParams: a wanted target is no linear layer of the model, or can have no adapter, see `models.adaptable`.
    """
    output = model.get_output_embeddings()
    linear = {
        path.removesuffix(".base_layer").rsplit(".", 1)[-1]  # peft keeps a layer that it has changed under this name
        for path, layer in model.named_modules()
        if isinstance(layer, nn.Linear | Conv1D) and layer is not output and ".lora_" not in path
    }
    problems = {name: adaptable.problem(model, name) for name in sorted(linear)}
    possible = tuple(name for name, problem in problems.items() if problem is None)
    if not possible:
        raise BadParams(
            f"model.adapter: a base of the type {model.config.model_type} has no layer that can have an adapter; set "
            "model.adapter=null to train all weights"
        )
    if wanted == "all-linear":
        return possible
    for name in sorted(set(wanted) - set(possible)):
        problem = problems.get(name)
        reason = f"the base has no linear layer named {name!r}" if problem is None else f"{name!r}: {problem}"
        raise BadParams(f"model.adapter.targets: {reason}; use some of {', '.join(possible)}")
    return tuple(sorted(set(wanted)))


def targets_of(config: Any, knobs: AdapterSettings) -> tuple[str, ...]:
    """The same for the model that a configuration describes; no weight is made.

    Raises:
        BadParams: see `targets`.
    """
    return targets(meta_model(config), knobs.targets)


def targets_in(folder: Path, knobs: AdapterSettings) -> tuple[str, ...]:
    """The same for the base model in a folder."""
    return targets_of(AutoConfig.from_pretrained(folder, trust_remote_code=False), knobs)
