"""Whether a round fits into the memory of this machine: estimated from the shapes before anything starts."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from core.errors import BadParams
from models import likelihood_start, memory
from models.adapters import AdapterSettings
from models.machine import Machine
from models.memory import Batches, Need, Roles
from models.policy import SCRATCH
from models.rollout import SamplingSettings
from tasks.rounds.params import RoundSettings

ADAPTER = AdapterSettings()
ROWS = 32
"""Rows sampled together, where memory is scarce."""
KNOBS = {
    "weights": "model.adapter, model.dtype with an adapter",
    "gradients": "model.adapter, policy.critic",
    "moments": "model.adapter, policy.critic",
    "activations": "model.compact_memory, model.microbatch_tokens, model.gradient_checkpointing",
    "cache": "collect.batch, policy.sampling.batch, sample.batch, model.max_prompt_tokens, model.max_answer_tokens",
}
"""Part of the memory → the knobs that lower it."""


class Fit(NamedTuple):
    """What the steps need, and what the machine has."""

    needs: dict[str, Need]
    """By step."""
    machine: Machine

    @property
    def largest(self) -> tuple[str, int]:
        """The step that needs most, and its bytes where the models are."""
        return max(
            ((step, required(need, self.machine)) for step, need in self.needs.items()), key=lambda pair: pair[1]
        )

    @property
    def fits(self) -> bool:
        """Whether every step fits."""
        return self.largest[1] <= self.machine.for_models

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        steps = [{"step": step, **need._asdict(), "total": need.total} for step, need in self.needs.items()]
        return {"steps": steps, "machine": self.machine._asdict(), "fits": self.fits, "knobs": KNOBS}


def required(need: Need, on: Machine) -> int:
    """Bytes where the models are; the libraries are in the memory of the computer."""
    return need.total if on.gpu is None else need.total - memory.LIBRARIES


def estimate(params: RoundSettings, on: Machine) -> Fit:
    """What each step of a round needs. The base of `params.model` can be loaded (`base.located`), or is `scratch`.

    Raises:
        BadParams: a target of the adapter is no layer of the model.
    """
    knobs, algorithm = params.model, params.policy
    roles = Roles(memory.shape_of_settings(knobs), knobs.compute, knobs.adapter is not None)
    sizes = Batches(1, knobs.max_prompt_tokens, knobs.max_answer_tokens, params.sample.batch, static=on.gpu is not None)
    learned = sizes._replace(
        rows=getattr(algorithm, "minibatch", 64),
        sampled=min(getattr(algorithm, "sampling", SamplingSettings()).batch, getattr(algorithm, "episodes", 128)),
    )
    likelihood = bool(likelihood_start.weight(params.reward.likelihood, knobs.base))
    critic: memory.Critic = getattr(algorithm, "critic", "none")
    answers = params.collect.answers  # to a prompt
    needs = {
        "collect": memory.sampling(roles, sizes._replace(sampled=params.collect.batch), models=1),
        "sft": memory.sft(roles, sizes._replace(rows=params.sft.batch)),
        "reward": memory.reward(roles, sizes._replace(rows=answers * params.reward.batch), likelihood, answers),
        "policy": memory.policy(roles, learned, critic, from_sft=algorithm.start != "champion"),
        "sample": memory.sampling(roles, sizes, models=5),
        "evaluate": memory.sampling(roles, sizes, models=5),
    }
    return Fit(needs, on)


def check(params: RoundSettings, fit: Fit) -> None:
    """Refuse a round that cannot fit into memory, as `estimate` says.

    Raises:
        BadParams: it cannot fit; names the settings with which it would.
    """
    if fit.fits:
        return
    on = fit.machine
    step, needed = fit.largest
    what = "GPU memory" if on.gpu is not None else "memory"
    problem = f"the step {step} needs about {gigabytes(needed)} of {what}, and there are {gigabytes(on.for_models)}"
    if overrides := cure(params, on):
        raise BadParams(f"{problem}; set {' '.join(f'-S {override}' for override in overrides)}")
    least = min(estimate(tried, on).largest[1] for tried, _ in smaller(params))
    raise BadParams(f"{problem}; use a smaller model.base, or a machine with at least {gigabytes(least)} of {what}")


def cure(params: RoundSettings, on: Machine) -> list[str]:
    """The first overrides, in the form of `-S`, with which the round fits; none if no setting is enough."""
    return next((overrides for tried, overrides in smaller(params) if estimate(tried, on).fits), [])


def gigabytes(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1e9:.1f} GB"


def smaller(params: RoundSettings) -> Iterator[tuple[RoundSettings, list[str]]]:
    """Settings that need less memory: fewer rows sampled together, compact memory, smaller microbatches, then gradient
    checkpointing, then adapters."""
    adapters = [None] if params.model.base == SCRATCH or params.model.adapter else [None, ADAPTER]
    for adapter in adapters:
        for recompute in dict.fromkeys((params.model.gradient_checkpointing, True)):
            for compact, tokens in _microbatches(params):
                changes: dict[str, Any] = {
                    "compact_memory": compact,
                    "microbatch_tokens": tokens,
                    "gradient_checkpointing": recompute,
                }
                if adapter:
                    changes["adapter"] = adapter
                tried = params.model_copy(update={"model": params.model.model_copy(update=changes)})
                yield tried, _overrides(params, tried)
                fewer = tried.model_copy(update=_fewer_rows(params))
                yield fewer, _overrides(params, fewer)


def _microbatches(params: RoundSettings) -> list[tuple[bool, int]]:
    """Whether memory is compact, and tokens: both as they are, then compact, with powers of 2 down to one text."""
    tokens, width = params.model.microbatch_tokens, params.model.max_prompt_tokens + params.model.max_answer_tokens
    powers = (2**exponent for exponent in range(tokens.bit_length(), -1, -1))
    smaller = [tokens, *(power for power in powers if width <= power < tokens)]
    return list(dict.fromkeys([(params.model.compact_memory, tokens), *((True, count) for count in smaller)]))


def _fewer_rows(params: RoundSettings) -> dict[str, Any]:
    """The sections in which at most `ROWS` rows are sampled together."""
    sections: dict[str, Any] = {"collect": _at_most(params.collect), "sample": _at_most(params.sample)}
    if sampling := getattr(params.policy, "sampling", None):
        sections["policy"] = params.policy.model_copy(update={"sampling": _at_most(sampling)})
    return sections


def _at_most(section: Any) -> Any:
    return section.model_copy(update={"batch": min(section.batch, ROWS)})


def _overrides(before: RoundSettings, after: RoundSettings) -> list[str]:
    old, new = before.model, after.model
    rows = {name: (_rows(before)[name], count) for name, count in _rows(after).items()}
    written = {
        **{f"{name}={count}": count != former for name, (former, count) in rows.items()},
        "model.compact_memory=true": new.compact_memory != old.compact_memory,
        f"model.microbatch_tokens={new.microbatch_tokens}": new.microbatch_tokens != old.microbatch_tokens,
        "model.gradient_checkpointing=true": new.gradient_checkpointing != old.gradient_checkpointing,
        f"'model.adapter={{rank: {ADAPTER.rank}}}'": new.adapter != old.adapter,
    }
    return [override for override, changed in written.items() if changed]


def _rows(params: RoundSettings) -> dict[str, int]:
    """Rows that are sampled together, by knob."""
    sampling = getattr(params.policy, "sampling", None)
    rows = {"collect.batch": params.collect.batch, "sample.batch": params.sample.batch}
    return {**rows, "policy.sampling.batch": sampling.batch} if sampling else rows
