"""Settings that need less memory or disk, in the order in which they are proposed."""

import pytest

from core.settings import override, parse
from models.adapters import AdapterSettings
from models.machine import Machine
from tasks.rounds.continuity import Continued
from tasks.rounds.params import RoundSettings
from tasks.rounds.smaller import checkpoints, smaller

CPU, GPU = Machine(8, None), Machine(8, 8)
ROWS = ["collect.batch=32", "sample.batch=32", "policy.sampling.batch=32"]
COMPACT, LESS = "model.compact_memory=true", "model.microbatch_tokens=256"
RECOMPUTE, ADAPTER, HALF = "model.gradient_checkpointing=true", "'model.adapter={rank: 8}'", "model.dtype=bfloat16"


def settings(*overrides: str) -> RoundSettings:
    """A round with a pretrained base, whose texts have at most 176 tokens. It writes no checkpoint."""
    usual = ["model.base=mine", "model.microbatch_tokens=300", "policy.steps=5", "policy.checkpoint_every=5"]
    return parse(RoundSettings, override({}, [*usual, *overrides]), "here")


def tried(params: RoundSettings, on: Machine = CPU, champion: Continued | None = None) -> list[list[str]]:
    return [each.overrides for each in smaller(params, on, champion)]


def test_first_the_round_as_it_is_then_fewer_rows_then_compact_memory_then_smaller_microbatches() -> None:
    every = tried(settings())
    assert every[:4] == [[], ROWS, [COMPACT], [*ROWS, COMPACT]]
    assert every[4:6] == [[COMPACT, LESS], [*ROWS, COMPACT, LESS]]


def test_then_gradient_checkpointing_then_adapters_then_bfloat16() -> None:
    assert tried(settings(COMPACT))[::2] == [
        *([], [LESS], [RECOMPUTE], [LESS, RECOMPUTE]),
        *([ADAPTER], [LESS, ADAPTER], [RECOMPUTE, ADAPTER], [LESS, RECOMPUTE, ADAPTER]),
        *([HALF], [LESS, HALF], [RECOMPUTE, HALF], [LESS, RECOMPUTE, HALF]),
        *([ADAPTER, HALF], [LESS, ADAPTER, HALF], [RECOMPUTE, ADAPTER, HALF], [LESS, RECOMPUTE, ADAPTER, HALF]),
    ]


def test_what_is_set_already_is_not_proposed() -> None:
    every = tried(settings(RECOMPUTE, "model.adapter={rank: 2}", HALF), GPU)
    assert every == [[], ROWS, [LESS], [*ROWS, LESS]]


def test_a_new_model_has_no_adapters() -> None:
    assert not any(ADAPTER in overrides for overrides in tried(settings("model.base=scratch")))


def test_compact_memory_is_for_cpus() -> None:
    assert not any(COMPACT in overrides for overrides in tried(settings(), GPU))


@pytest.mark.parametrize(("rebased", "wanted"), [(False, True), (True, False)])
def test_adapters_cannot_continue_a_whole_champion(rebased: bool, wanted: bool) -> None:
    every = list(smaller(settings(), CPU, Continued("policy-3", None, rebased)))
    assert {each.rebase for each in every if ADAPTER in each.overrides} == {wanted}
    assert all(each.rebase == ("model.base=policy-3" in each.overrides) for each in every)


def test_the_adapter_of_the_champion_is_the_only_one_that_can_continue_it() -> None:
    champion = Continued("policy-3", AdapterSettings(rank=2, targets=("q_proj", "v_proj")), rebased=False)
    every = list(smaller(settings(), CPU, champion))
    assert all("'model.adapter={rank: 2, targets: [q_proj, v_proj]}'" in each.overrides for each in every)
    assert not any(each.rebase for each in every)


@pytest.mark.parametrize(("steps", "every", "count"), [(5, 5, 0), (6, 5, 1), (10, 5, 1), (11, 5, 2), (40, 5, 2)])
def test_two_checkpoints_at_most_are_on_the_disk_and_none_of_the_last_iteration(
    steps: int, every: int, count: int
) -> None:
    params = settings(f"policy.steps={steps}", f"policy.checkpoint_every={every}")
    assert checkpoints(params.policy) == count


def test_a_round_without_checkpoints_is_tried_next() -> None:
    every = tried(settings("policy.steps=12"))
    assert every[:4] == [[], ["policy.checkpoint_every=12"], ROWS, ["policy.checkpoint_every=12", *ROWS]]
    [fewer] = [each for each in smaller(settings("policy.steps=12"), CPU, None) if each.overrides == every[3]]
    assert checkpoints(fewer.params.policy) == 0
    assert fewer.params.policy.model_dump()["sampling"]["batch"] == 32


def test_processes_divide_the_weights_and_on_one_cpu_become_one() -> None:
    two = settings("policy.launch.processes=2", COMPACT)
    one, shard = "policy.launch.processes=1", "policy.launch.shard=true"
    assert tried(two)[:6] == [[], ROWS, [shard], [*ROWS, shard], [one], [*ROWS, one]]
    assert not any(one in overrides for overrides in tried(two, GPU))
    assert tried(two, GPU)[2] == [shard]
    both = settings("policy.launch.processes=2", shard, COMPACT)
    assert tried(both)[2] == [one, "policy.launch.shard=false"]


def test_on_several_gpus_the_weights_are_divided_among_them() -> None:
    every = tried(settings(), GPU._replace(gpus=4))
    launches = [
        f"{step}.launch.{what}" for what in ("processes=4", "shard=true") for step in ("sft", "reward", "policy")
    ]
    assert every[2] == launches
