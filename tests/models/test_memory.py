from transformers import LlamaConfig

from models import memory
from models.adapters import AdapterSettings
from models.compute import Compute

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


def test_recomputation_keeps_the_inputs_of_the_layers_and_one_layer() -> None:
    shape = memory.shape_of(SMALL, None)
    layer = (8 * 8 + 2 * 4 + 4 * 12) * 4
    compute = Compute(microbatch_tokens=10)
    assert memory.activations(shape, compute, adapter=False) == 10 * 2 * layer
    assert memory.activations(shape, compute._replace(recompute=True), adapter=False) == 10 * (2 * 8 * 4 + layer)


def test_keys_and_values_of_answers() -> None:
    assert memory.cache(memory.shape_of(SMALL, None), Compute(), rows=3, tokens=5) == 2 * 2 * 4 * 4 * 3 * 5
