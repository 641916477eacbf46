import pytest
import torch
from transformers import LlamaConfig

from models.meta_model import meta_model

CONFIG = LlamaConfig(
    vocab_size=10,
    hidden_size=4,
    num_hidden_layers=1,
    num_attention_heads=1,
    intermediate_size=8,
    tie_word_embeddings=True,
)


def test_it_has_the_shapes_of_the_configuration_and_no_weights() -> None:
    model = meta_model(CONFIG)
    assert model.num_parameters() == 10 * 4 + 4 * 16 + 3 * 4 * 8 + 3 * 4  # embeddings, attention, feed-forward, norms
    assert {weight.device for weight in model.parameters()} == {torch.device("meta")}
    with pytest.raises(RuntimeError):
        model.get_input_embeddings().weight.sum().item()
