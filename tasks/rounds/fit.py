"""Whether a round fits into the memory and on the disk of this machine: estimated from the shapes before anything
starts."""

from collections.abc import Iterator
from math import ceil
from typing import Any, NamedTuple

from core.errors import BadParams
from models import likelihood_start, memory
from models.adapters import AdapterSettings
from models.machine import CONTEXT, Machine, machine
from models.memory import Batches, Need, Roles, Shape
from models.rollout import SamplingSettings
from tasks.rounds.continuity import Continued
from tasks.rounds.disk import room
from tasks.rounds.params import RoundSettings
from tasks.rounds.smaller import Smaller, checkpoints, launches, parts, smaller
from tasks.state.workspace import Workspace

KNOBS = {
    "weights": "model.adapter, model.dtype with an adapter",
    "gradients": "model.adapter, policy.critic",
    "moments": "model.adapter, policy.critic",
    "activations": "model.microbatch_tokens, model.gradient_checkpointing, model.dtype; on a CPU model.compact_memory",
    "cache": "collect.batch, policy.sampling.batch, sample.batch, model.max_prompt_tokens, model.max_answer_tokens, "
    "model.dtype",
    "copy": "policy.checkpoint_every, policy.critic, model.adapter",
    "disk": "policy.checkpoint_every, policy.critic, model.adapter",
}
"""Part of what a step needs → the knobs that lower it."""


class Fit(NamedTuple):
    """What the steps need, and what the machine has."""

    needs: dict[str, Need]
    """By step."""
    machine: Machine
    champion: Continued | None
    """None if there is none."""

    @property
    def largest(self) -> tuple[str, int]:
        """The step that needs most, and its bytes where the models are."""
        return max(
            ((step, required(need, self.machine)) for step, need in self.needs.items()), key=lambda pair: pair[1]
        )

    @property
    def written(self) -> int:
        """Bytes of models and checkpoints that the round writes."""
        return sum(need.disk for need in self.needs.values())

    @property
    def in_memory(self) -> bool:
        """Whether every step fits into memory."""
        return self.largest[1] <= self.machine.for_models

    @property
    def on_disk(self) -> bool:
        """Whether there is room for what the round writes."""
        return self.machine.disk is None or self.written <= self.machine.disk

    @property
    def fits(self) -> bool:
        """Whether every step fits."""
        return self.in_memory and self.on_disk

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        steps = [{"step": step, **need._asdict(), "total": need.total} for step, need in self.needs.items()]
        machine = self.machine._asdict()
        return {"steps": steps, "written": self.written, "machine": machine, "fits": self.fits, "knobs": KNOBS}


def required(need: Need, on: Machine) -> int:
    """Bytes where the models are; the libraries are in the memory of the computer."""
    return need.total if on.gpu is None else need.total - need.libraries


def foreseen(workspace: Workspace, params: RoundSettings, champion: Continued | None = None) -> Fit:
    """What a round needs on this machine; see `estimate`."""
    return estimate(params, machine()._replace(disk=room(workspace)), champion)


def estimate(params: RoundSettings, on: Machine, champion: Continued | None = None) -> Fit:
    """What each step of a round needs. The base of `params.model` can be loaded (`base.located`), or is `scratch`.

    Raises:
        BadParams: a target of the adapter is no layer of the model.
    """
    return Fit(_needs(params, memory.shape_of_settings(params.model), on, champion), on, champion)


def _needs(params: RoundSettings, shape: Shape, on: Machine, champion: Continued | None) -> dict[str, Need]:
    knobs, algorithm = params.model, params.policy
    compute = knobs.compute._replace(compact=knobs.compact_memory or on.gpu is not None)  # a GPU loses no memory so
    roles = Roles(shape, compute, knobs.adapter is not None)
    sizes = Batches(1, knobs.max_prompt_tokens, knobs.max_answer_tokens, params.sample.batch, static=on.gpu is not None)
    learned = sizes._replace(
        rows=getattr(algorithm, "minibatch", 64),
        sampled=min(getattr(algorithm, "sampling", SamplingSettings()).batch, getattr(algorithm, "episodes", 128)),
    )
    other = memory.other_base(roles, champion.adapter is None) if champion and champion.rebased else 0
    likelihood = bool(likelihood_start.weight(params.reward.likelihood, knobs.base))
    critic: memory.Critic = getattr(algorithm, "critic", "none")
    answers = params.collect.answers  # to a prompt
    ranks = {step: launch.ranks for step, launch in launches(params).items()}
    together = {step: launch.processes for step, launch in launches(params).items()}
    demonstrations, pairs = sizes._replace(rows=params.sft.batch), sizes._replace(rows=params.reward.batch)
    divided = {step: roles._replace(parts=count) for step, count in parts(params).items()}
    compared = pairs.shared(ranks["reward"])
    compared = compared._replace(rows=answers * compared.rows)
    learned = learned.shared(ranks["policy"])
    trained = {
        "sft": memory.sft(divided["sft"], demonstrations.shared(ranks["sft"])),
        "reward": memory.reward(divided["reward"], compared, likelihood, answers),
        "policy": memory.policy(
            divided["policy"], learned, critic, algorithm.start != "champion", checkpoints(algorithm)
        ),
    }
    used = {  # on GPUs each process has one of its own
        step: need.on_ranks(together[step]) if together[step] > 1 and on.gpu is None else need
        for step, need in trained.items()
    }
    return {
        "collect": memory.sampling(roles, sizes._replace(sampled=params.collect.batch), models=1),
        **used,
        "sample": memory.sampling(roles, sizes, models=5, other=other),
        "evaluate": memory.sampling(roles, sizes, models=5, other=other),
    }


def check(params: RoundSettings, fit: Fit) -> None:
    """Refuse a round that cannot fit into memory or on the disk, as `estimate` says, or on the GPUs.

    Raises:
        BadParams: it cannot fit; names the settings with which it would.
    """
    for step, launch in launches(params).items():
        if fit.machine.gpus and launch.processes > fit.machine.gpus:
            raise BadParams(
                f"{step}.launch.processes={launch.processes}, and this machine has {fit.machine.gpus} GPU; each "
                f"process needs one of its own: set -S {step}.launch.processes={fit.machine.gpus}"
            )
    if fit.fits:
        return
    problem = "; ".join(_problems(fit))
    found = cure(params, fit)
    if found is None:
        raise BadParams(f"{problem}; {_without_settings(params, fit)}")
    settings = " -S ".join(found.overrides)
    if found.rebase:
        raise BadParams(f"{problem}; make the champion a base with `rounds rebase`, then set -S {settings}")
    raise BadParams(f"{problem}; set -S {settings}")


def cure(params: RoundSettings, fit: Fit) -> Smaller | None:
    """The first settings with which the round fits; None if no setting is enough."""
    return next((settings for settings, tried in _tried(params, fit) if tried.fits), None)


def gigabytes(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e9:.1f} GB"


def enough(count: int) -> str:
    """The same, rounded up."""
    return f"{ceil(count / 1e8) / 10:.1f} GB"


def _problems(fit: Fit) -> Iterator[str]:
    on, (step, needed) = fit.machine, fit.largest
    if not fit.in_memory:
        available = gigabytes(on.for_models)
        yield f"the step {step} needs about {gigabytes(needed)} of {_kind(on)}, and there are {available}"
    if on.disk is not None and not fit.on_disk:
        yield f"the round writes about {gigabytes(fit.written)}, and its disk has room for {gigabytes(on.disk)}"


def _without_settings(params: RoundSettings, fit: Fit) -> str:
    """What helps where no setting is enough."""
    every = [tried for _, tried in _tried(params, fit)]
    if any(tried.in_memory for tried in every):
        missing = min(tried.written for tried in every if tried.in_memory) - (fit.machine.disk or 0)
        return f"free at least {enough(missing)} of that disk"
    reserved = 0 if fit.machine.gpu is None else CONTEXT
    least = enough(min(tried.largest[1] for tried in every) + reserved)
    smaller_base = "a new workspace with a smaller model.base" if fit.champion else "a smaller model.base"
    return f"use {smaller_base}, or a machine with at least {least} of {_kind(fit.machine)}"


def _kind(machine: Machine) -> str:
    return "memory" if machine.gpu is None else "GPU memory"


def _tried(params: RoundSettings, fit: Fit) -> Iterator[tuple[Smaller, Fit]]:
    """Smaller settings, and what the round needs with them."""
    shapes: dict[AdapterSettings | None, Shape] = {}  # it takes a while to find one
    for tried in smaller(params, fit.machine, fit.champion):
        model = tried.params.model
        if model.adapter not in shapes:
            shapes[model.adapter] = memory.shape_of_settings(model)
        champion = fit.champion._replace(rebased=True) if fit.champion and tried.rebase else fit.champion
        needs = _needs(tried.params, shapes[model.adapter], fit.machine, champion)
        yield tried, fit._replace(needs=needs)
