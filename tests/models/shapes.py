"""Configurations of real models, without weights."""

from transformers import LlamaConfig

SMOLLM2 = LlamaConfig(
    vocab_size=49_152,
    hidden_size=576,
    num_hidden_layers=30,
    num_attention_heads=9,
    num_key_value_heads=3,
    intermediate_size=1536,
    tie_word_embeddings=True,
)
"""SmolLM2-135M."""
