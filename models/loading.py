"""Load saved models. Those that are adapters of one base share it in memory, whatever their number."""

from collections.abc import Callable
from pathlib import Path

from models import adapters
from models.adapters import AdapterSettings
from models.compute import IN_FLOAT32, Compute, torch_type
from models.policy import Policy, load_model
from models.reward import RewardModel
from models.shared_base import AdapterNetwork, SharedBase

BaseFolder = Callable[[str], Path]
"""Digest of a base → the folder that holds it; raises `BadModel` if it is not there."""


class Loader:
    """Loads the models of one process."""

    def __init__(self, base_folder: BaseFolder, compute: Compute = IN_FLOAT32) -> None:
        """Nothing is read yet.

        Args:
            base_folder: where bases are.
            compute: how networks compute. A base is kept in memory in that type; what is trained, in float32.
        """
        self._base_folder, self._compute = base_folder, compute
        self._bases: dict[str, SharedBase] = {}
        self._adapters: dict[Path, AdapterNetwork] = {}

    def policy(self, folder: Path) -> Policy:
        """A policy that `Policy.save` or `RewardModel.save` wrote.

        Raises:
            BadModel: the folder holds no model, or its base is not there.
        """
        if not adapters.is_adapter(folder):
            return Policy.load(folder, self._compute)
        base = self._base(adapters.read(folder).base)
        if folder not in self._adapters:
            self._adapters[folder] = base.load(base.unused(folder.name), folder)
        return Policy(self._adapters[folder], adapters.tokenizer(base.tokenizer, folder))

    def trainable(self, folder: Path, name: str) -> Policy:
        """As `policy`, but with weights of its own, for training in the role `name`."""
        if not adapters.is_adapter(folder):
            return self.policy(folder)
        return self.policy(folder).copy(name)

    def reward_model(self, folder: Path) -> RewardModel:
        """A reward model that `RewardModel.save` wrote.

        Raises:
            BadModel: the folder holds no reward model, or its base is not there.
        """
        return RewardModel.of(self.policy(folder), folder)

    def new_adapter(self, digest: str, knobs: AdapterSettings, name: str, seed: int) -> Policy:
        """A new adapter of a base, which changes nothing yet.

        Raises:
            BadModel: the base is not there, or cannot be loaded.
            BadParams: a target of the adapter is no layer of the base.
        """
        base = self._base(digest)
        return Policy(base.add(base.unused(name), knobs, seed), base.tokenizer)

    def _base(self, digest: str) -> SharedBase:
        if digest not in self._bases:
            model, tokenizer = load_model(
                self._base_folder(digest), torch_type(self._compute.dtype), self._compute.sharding
            )
            self._bases[digest] = SharedBase(model, tokenizer, digest, self._compute)
        return self._bases[digest]
