import pytest
from transformers import LlamaConfig

from models import memory
from models.adapters import AdapterSettings
from models.compute import Compute
from models.memory import Batches, Roles
from models.policy import ModelSettings

SMALL = LlamaConfig(
    vocab_size=100,
    hidden_size=8,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_key_value_heads=1,
    intermediate_size=12,
    tie_word_embeddings=True,
)


def test_the_shape_of_a_model_by_hand() -> None:
    shape = memory.shape_of(SMALL, None)
    # q and o 8 x 8, k and v 8 x 4, three of 8 x 12, two norms of 8; embeddings of 100 x 8 and the last norm
    block = 2 * 64 + 2 * 32 + 3 * 96 + 16
    assert shape.parameters == shape.trained == 2 * block + 800 + 8
    assert (shape.layers, shape.hidden, shape.feed_forward, shape.keys, shape.vocabulary) == (2, 8, 12, 4, 100)


def test_an_adapter_trains_two_thin_matrices_a_layer() -> None:
    shape = memory.shape_of(SMALL, AdapterSettings(rank=2))
    # rank times inputs plus outputs: q, o 16; k, v 12; gate, up, down 20
    assert shape.trained == 2 * 2 * (2 * 16 + 2 * 12 + 3 * 20)
    assert memory.shape_of(SMALL, AdapterSettings(rank=2, targets=("q_proj",))).trained == 2 * 2 * 16


def test_recomputation_keeps_the_inputs_of_the_layers() -> None:
    shape = memory.shape_of(SMALL, None)
    layer = (8 * 8 + 2 * 4 + 4 * 12) * 4
    compute = Compute(microbatch_tokens=10)
    ends = 2 * 8 * 4  # embeddings and the last norm
    assert memory.activations(shape, compute, adapter=False) == 10 * (2 * layer + ends)
    recomputed = memory.activations(shape, compute._replace(recompute=True), adapter=False)
    assert recomputed == 10 * (2 * 8 * 4 + ends)
    frozen = layer - 2 * 8 * 4
    assert memory.activations(shape, compute, adapter=True) == 10 * (2 * frozen + ends)


def test_keys_and_values_of_answers() -> None:
    assert memory.cache(memory.shape_of(SMALL, None), Compute(), rows=3, tokens=5) == 2 * 2 * 4 * 4 * 3 * 5


FULL = Roles(memory.shape_of(SMALL, None), Compute(microbatch_tokens=10), adapters=False)
SIZES = Batches(rows=4, prompt=3, answer=2, sampled=7)
ALL = 4 * FULL.shape.parameters
"""Bytes of one model."""
ADAPTED = Roles(memory.shape_of(SMALL, AdapterSettings(rank=2)), Compute(microbatch_tokens=10), adapters=True)


def test_training_one_model_takes_16_bytes_a_parameter() -> None:
    need = memory.sft(FULL, SIZES)
    assert (need.weights, need.gradients, need.moments) == (ALL, ALL, 2 * ALL)
    assert need.total == memory.LIBRARIES + 4 * ALL + need.activations


def test_a_saved_model_is_compared_after_gradients_and_moments_are_freed() -> None:
    need = memory.sft(FULL, SIZES)._replace(copy=100 * ALL)
    assert need.total == memory.LIBRARIES + ALL + 100 * ALL


def test_reward_trains_one_model_at_a_time() -> None:
    need = memory.reward(FULL, SIZES, likelihood=False)
    assert need.weights + need.gradients + need.moments == 4 * ALL  # 16 bytes a parameter
    assert memory.reward(FULL, SIZES, likelihood=True).activations > need.activations


def test_packed_rows_may_fill_a_microbatch_better() -> None:
    """Of 17 tokens, two rows of 3 + 2 × 2 take 14; two texts of 5 tokens for each prompt take 10."""
    larger = FULL._replace(compute=Compute(microbatch_tokens=17))
    assert memory._packed_tokens(larger.compute, SIZES, together=2) == 14
    need, smaller = (memory.reward(roles, SIZES, likelihood=False) for roles in (larger, FULL))
    assert need.activations == pytest.approx(1.4 * smaller.activations, rel=1e-3)


def test_policy_holds_four_models_of_which_two_are_trained() -> None:
    need = memory.policy(FULL, SIZES, "separate", from_sft=True)
    # four models, the moments of two, and the gradients of one: 36 bytes a parameter, with tied embeddings
    assert (need.weights, need.moments, need.gradients) == (4 * ALL, 4 * ALL, ALL)
    shared = memory.policy(FULL, SIZES, "shared", from_sft=True)
    assert shared.weights + shared.gradients + shared.moments == 6 * ALL
    assert need.disk == ALL + 2 * 6 * ALL  # the model, and two checkpoints of weights and moments
    assert memory.policy(FULL, SIZES, "shared", from_sft=True, checkpoints=0).disk == ALL


def test_a_training_that_continues_reads_its_checkpoint_beside_the_models() -> None:
    """Weights and moments of policy and critic, which on a GPU are in the memory of the computer."""
    assert memory.policy(FULL, SIZES, "separate", from_sft=True).copy == 6 * ALL
    assert memory.policy(FULL, SIZES, "separate", from_sft=True, checkpoints=0).copy == ALL
    assert memory.policy(FULL, SIZES._replace(static=True), "separate", from_sft=True).copy == ALL


def test_after_a_rebase_the_champion_has_a_base_of_its_own() -> None:
    halved = ADAPTED._replace(compute=Compute("bfloat16", 10))
    assert memory.other_base(ADAPTED, whole=False) == ALL
    assert memory.other_base(halved, whole=False) == ALL // 2
    assert memory.other_base(halved, whole=True) == ALL  # a whole model is in float32
    assert memory.other_base(FULL, whole=False) == ALL
    assert memory.other_base(FULL, whole=True) == 0  # one model at a time
    alone, both = (memory.sampling(ADAPTED, SIZES, 5, other=other).weights for other in (0, ALL))
    assert both == alone + ALL


def test_a_critic_has_no_output_layer() -> None:
    config = LlamaConfig(**{**SMALL.to_dict(), "tie_word_embeddings": False})
    roles = FULL._replace(shape=memory.shape_of(config, None))
    assert roles.shape.output == 800
    tied, untied = (memory.policy(each, SIZES, "separate", True) for each in (FULL, roles))
    assert untied.moments == tied.moments + 8 * 800  # of the policy alone
    assert untied.weights == tied.weights + 3 * 4 * 800


def test_roles_that_are_adapters_share_the_base() -> None:
    one = 4 * ADAPTED.shape.trained
    assert memory.sft(ADAPTED, SIZES).weights == ALL + one
    assert memory.policy(ADAPTED, SIZES, "separate", from_sft=False).weights == ALL + 5 * one
    halved = ADAPTED._replace(compute=Compute("bfloat16", 10))
    assert memory.sampling(halved, SIZES, models=5).weights == ALL // 2 + 5 * one
    assert memory.sampling(FULL, SIZES, models=5).weights == ALL  # one model at a time
    assert memory.sft(ADAPTED, SIZES).moments == 2 * one


def test_the_shape_of_a_new_model() -> None:
    knobs = ModelSettings(vocabulary=300, width=8, heads=2, layers=2, feed_forward=12)
    block = 4 * 64 + 3 * 96 + 16
    assert memory.shape_of_settings(knobs).parameters == 2 * block + 8 * 300 + 8


def test_training_needs_more_memory_than_its_tensors_unless_it_is_compact() -> None:
    compact = ADAPTED._replace(compute=ADAPTED.compute._replace(compact=True))
    assert memory.sft(ADAPTED, SIZES).activations == round(1.9 * memory.sft(compact, SIZES).activations)


def test_sampling_has_the_keys_and_values_of_all_tokens_and_the_probabilities_of_the_last_step() -> None:
    keys = 2 * 2 * 4 * 4 * 7 * 5  # of 2 layers, 4 numbers of 4 bytes, for 7 rows of 5 tokens
    step = 7 * 100 * 24  # of 100 probabilities a row
    copied = keys // 4  # keys or values of one layer of two
    compact = ADAPTED._replace(compute=ADAPTED.compute._replace(compact=True))
    assert memory.sampling(compact, SIZES, models=1).cache == keys + step + copied
    assert memory.sampling(ADAPTED, SIZES, models=1).cache == round(1.5 * (keys + step + copied))


def test_sampling_begins_with_a_pass_over_the_prompts_which_can_be_more() -> None:
    long = SIZES._replace(prompt=1000)
    keys = 2 * 2 * 4 * 4 * 7 * 1000
    layer = (5 * 12 + 4 * 8) * 4 * 7 * 1000
    assert memory.sampling(ADAPTED, long, models=1).cache == round(1.5 * (keys + layer))


def test_on_a_gpu_keys_and_values_have_the_shape_of_a_bucket() -> None:
    prompts = memory.cache(ADAPTED.shape, ADAPTED.compute, rows=7, tokens=3)
    keys = memory.cache(ADAPTED.shape, ADAPTED.compute, rows=8, tokens=64) + prompts  # 7 rows of 5 tokens
    step = 7 * 100 * 32
    need = memory.sampling(ADAPTED, SIZES._replace(static=True), models=1)
    assert need.cache == round(1.5 * (keys + step + keys // 4))


def test_recomputation_adds_one_layer_at_a_time() -> None:
    compute = FULL.compute._replace(recompute=True)
    recomputed = FULL._replace(compute=compute)
    assert memory.sft(recomputed, SIZES).activations < memory.sft(FULL, SIZES).activations


def test_processes_on_one_cpu_have_everything_but_the_files_several_times() -> None:
    need = memory.Need(weights=1, gradients=2, moments=3, activations=4, cache=5, copy=6, disk=7)
    assert need.on_ranks(3) == memory.Need(3, 6, 9, 12, 15, 18, disk=7, libraries=4 * memory.LIBRARIES)


def test_a_process_has_its_part_of_the_rows() -> None:
    part = SIZES.shared(2)
    assert (part.rows, part.sampled) == (2, 4)  # of 4 and 7


def test_divided_weights_are_whole_a_layer_at_a_time_and_to_sample() -> None:
    shape, batches = memory.shape_of(SMALL, None), Batches(rows=1, prompt=4, answer=4, sampled=1)
    whole, half = (Roles(shape, Compute(microbatch_tokens=8, compact=True), False, parts) for parts in (1, 2))
    one, two = memory.sft(whole, batches), memory.sft(half, batches)
    assert (one.weights, one.gradients, one.moments) == (7200, 7200, 14400)
    assert (two.weights, two.gradients, two.moments) == (3600, 3600, 7200)
    # two layers of 496 numbers with the last norm of 8, and embeddings of 100 x 8, in float32
    assert two.activations - one.activations == 4 * (2 * 496 + 8 + 800)
    assert two.copy == 3600 + 3600, "a saved model, and what the first rank collects, shared out"
    assert two.disk == one.disk == 7200
    sampled = [memory.policy(roles, batches, "separate", from_sft=True).cache for roles in (whole, half)]
    assert sampled[1] - sampled[0] == 7200


def test_adapters_of_a_divided_base_are_whole() -> None:
    shape, batches = memory.shape_of(SMALL, AdapterSettings(rank=2)), Batches(rows=1, prompt=4, answer=4, sampled=1)
    roles = Roles(shape, Compute("bfloat16", 8, compact=True), True, parts=2)
    need = memory.policy(roles, batches, "separate", from_sft=True)
    assert need.weights == 2 * 1800 // 2 + 4 * 4 * shape.trained
    assert need.moments == 2 * 2 * 4 * shape.trained
