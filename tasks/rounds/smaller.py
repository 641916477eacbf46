"""Settings of a round that need less memory or disk, in the order in which they are proposed.

First those that change results by rounding only, or not at all: no training checkpoints (for the disk), fewer rows
sampled together, weights divided among processes, on a CPU one process, compact memory, smaller microbatches, gradient
checkpointing. Then adapters, which train something else, and at last bfloat16.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from models.adapters import AdapterSettings
from models.algorithms import Algorithm
from models.compute import Dtype
from models.launching import LaunchSettings
from models.machine import Machine
from models.policy import SCRATCH, ModelSettings
from tasks.rounds.continuity import Continued, written
from tasks.rounds.params import RoundSettings

ADAPTER = AdapterSettings()
LAUNCHED = ("sft", "reward", "policy")
"""Steps that can run in several processes."""
ROWS = 32
"""Rows sampled together, where memory is scarce."""


class Smaller(NamedTuple):
    """A round that needs less memory or disk."""

    params: RoundSettings
    overrides: list[str]
    """What is changed, in the form of `-S`."""
    rebase: bool
    """The champion has to become a base first: it has no adapter that such a round could continue."""


def smaller(params: RoundSettings, on: Machine, champion: Continued | None) -> Iterator[Smaller]:
    """The round as it is, and then with other settings, which the champion does not forbid."""
    model = params.model
    choices = product(
        _dtypes(model),
        _adapters(model, champion),
        dict.fromkeys((model.gradient_checkpointing, True)),
        _microbatches(model, on),
        _launches(params, on),
        (False, True),
        (True, False) if checkpoints(params.policy) else (True,),
    )
    for dtype, adapter, recompute, (compact, tokens), launched, fewer_rows, kept in choices:
        changes = {
            "dtype": dtype,
            "adapter": adapter,
            "gradient_checkpointing": recompute,
            "compact_memory": compact,
            "microbatch_tokens": tokens,
        }
        tried = params.model_copy(update={"model": model.model_copy(update=changes)})
        for step, launch in launched.items():
            tried = _changed(tried, step, launch=launch)
        if fewer_rows:
            tried = _with_fewer_rows(tried)
        if not kept:
            tried = _changed(tried, "policy", checkpoint_every=getattr(tried.policy, "steps", 1))
        overrides = _overrides(params, tried)
        if champion and adapter != model.adapter and not champion.accepts_adapters:
            yield Smaller(tried, [f"model.base={champion.as_base}", *overrides], rebase=True)
        else:
            yield Smaller(tried, overrides, rebase=False)


def checkpoints(algorithm: Algorithm) -> int:
    """How many checkpoints of the training are on the disk at one time: a new one is written before the old one goes.

    None is written after the last iteration.
    """
    steps, every = getattr(algorithm, "steps", 1), getattr(algorithm, "checkpoint_every", 1)
    return min(2, (steps - 1) // every)


def launches(params: RoundSettings) -> dict[str, LaunchSettings]:
    """The processes of each step that can run in several."""
    return {step: getattr(params, step).launch for step in LAUNCHED}


def parts(params: RoundSettings) -> dict[str, int]:
    """Among how many processes the weights of each of these steps are divided."""
    return {step: launch.ranks if launch.shard else 1 for step, launch in launches(params).items()}


def _launches(params: RoundSettings, on: Machine) -> list[dict[str, LaunchSettings]]:
    """The processes of each step: as they are, with divided weights, on all GPUs, and on a CPU one."""
    now = launches(params)
    divided = {
        step: launch.model_copy(update={"shard": True}) if launch.ranks > 1 else launch for step, launch in now.items()
    }
    choices = [now, divided]
    if on.gpus > 1:
        choices.append(_each(now, processes=on.gpus, shard=True))
    if on.gpu is None:
        choices.append(_each(now, processes=1, shard=False))
    return [choice for index, choice in enumerate(choices) if choice not in choices[:index]]


def _each(now: Mapping[str, LaunchSettings], **knobs: object) -> dict[str, LaunchSettings]:
    """The same knobs of each step, which stays on as many machines."""
    return {step: launch.model_copy(update=knobs) for step, launch in now.items()}


def _dtypes(model: ModelSettings) -> list[Dtype]:
    return [model.dtype] if model.compute.dtype == "bfloat16" else [model.dtype, "bfloat16"]


def _adapters(model: ModelSettings, champion: Continued | None) -> list[AdapterSettings | None]:
    if model.base == SCRATCH or model.adapter:
        return [model.adapter]
    if champion and champion.adapter and not champion.rebased:
        return [champion.adapter]
    return [None, ADAPTER]


def _microbatches(model: ModelSettings, on: Machine) -> list[tuple[bool, int]]:
    """Whether memory is compact, and tokens: both as they are, then compact, with powers of 2 down to one text.

    On a GPU compact memory has no effect.
    """
    tokens, width = model.microbatch_tokens, model.max_prompt_tokens + model.max_answer_tokens
    powers = (2**exponent for exponent in range(tokens.bit_length(), -1, -1))
    fewer = [tokens, *(power for power in powers if width <= power < tokens)]
    compact = model.compact_memory or on.gpu is None
    return list(dict.fromkeys([(model.compact_memory, tokens), *((compact, count) for count in fewer)]))


def _with_fewer_rows(params: RoundSettings) -> RoundSettings:
    """At most `ROWS` rows are sampled together."""
    for section in ("collect", "sample"):
        params = _changed(params, section, batch=min(getattr(params, section).batch, ROWS))
    if sampling := getattr(params.policy, "sampling", None):
        fewer = sampling.model_copy(update={"batch": min(sampling.batch, ROWS)})
        params = _changed(params, "policy", sampling=fewer)
    return params


def _changed(params: RoundSettings, section: str, **knobs: Any) -> RoundSettings:
    return params.model_copy(update={section: getattr(params, section).model_copy(update=knobs)})


def _overrides(before: RoundSettings, after: RoundSettings) -> list[str]:
    old, new = before.model, after.model
    rows = {name: (_rows(before)[name], count) for name, count in _rows(after).items()}
    every = [getattr(each.policy, "checkpoint_every", None) for each in (before, after)]
    changes = {step: (launch, launches(after)[step]) for step, launch in launches(before).items()}
    changed = {
        f"policy.checkpoint_every={every[1]}": every[0] != every[1],
        **{f"{name}={count}": count != former for name, (former, count) in rows.items()},
        **{
            f"{step}.launch.processes={launch.processes}": launch.processes != former.processes
            for step, (former, launch) in changes.items()
        },
        **{
            f"{step}.launch.shard={str(launch.shard).lower()}": launch.shard != former.shard
            for step, (former, launch) in changes.items()
        },
        "model.compact_memory=true": new.compact_memory != old.compact_memory,
        f"model.microbatch_tokens={new.microbatch_tokens}": new.microbatch_tokens != old.microbatch_tokens,
        "model.gradient_checkpointing=true": new.gradient_checkpointing != old.gradient_checkpointing,
        f"'model.adapter={_written(new.adapter)}'": new.adapter != old.adapter,
        "model.dtype=bfloat16": new.dtype != old.dtype,
    }
    return [override for override, is_changed in changed.items() if is_changed]


def _written(adapter: AdapterSettings | None) -> str:
    """The rank, and what is not the default."""
    return written({"rank": adapter.rank, **adapter.model_dump(exclude_defaults=True)} if adapter else None)


def _rows(params: RoundSettings) -> dict[str, int]:
    """Rows that are sampled together, by knob."""
    sampling = getattr(params.policy, "sampling", None)
    rows = {"collect.batch": params.collect.batch, "sample.batch": params.sample.batch}
    return {**rows, "policy.sampling.batch": sampling.batch} if sampling else rows
