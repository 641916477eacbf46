import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, Gemma2Config, GraniteConfig, PreTrainedModel

from core.errors import BadModel
from models import logits
from models.logits import output_layer, token_logprobs

BLOCKS = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "intermediate_size": 32,
    "vocab_size": 40,
}


def model(config: type, **more: object) -> PreTrainedModel:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config(**BLOCKS, **more)).eval()


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda: model(Gemma2Config, head_dim=8, final_logit_softcapping=0.5), id="capped"),
        pytest.param(lambda: model(GraniteConfig, logits_scaling=4.0), id="divided"),
    ],
)
def test_families_that_change_their_logits(made: object) -> None:
    network: PreTrainedModel = made()  # type: ignore[operator]
    ids = torch.tensor([[3, 9, 4]])
    hidden = network.base_model(input_ids=ids, use_cache=False).last_hidden_state
    torch.testing.assert_close(output_layer(network)(hidden), network(input_ids=ids).logits, rtol=1e-5, atol=1e-6)


class Shifted(torch.nn.Module):
    """A model whose logits are not those of its output layer alone."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = model(GraniteConfig)
        self.config, self.device, self.base_model = self.inner.config, self.inner.device, self.inner.base_model

    def get_output_embeddings(self) -> torch.nn.Module:
        layer: torch.nn.Module = self.inner.get_output_embeddings()
        return layer

    def forward(self, **inputs: object) -> object:
        output = self.inner(**inputs)
        output.logits = output.logits + torch.arange(40)
        return output


def test_logits_of_another_kind_are_refused_by_the_type_of_the_model() -> None:
    with pytest.raises(BadModel, match="granite"):
        output_layer(Shifted())


def test_chunks_change_neither_values_nor_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    shuffle = torch.Generator().manual_seed(0)
    weight = torch.randn(40, 16, generator=shuffle)
    tokens = torch.randint(0, 40, (7,), generator=shuffle)

    def computed(chunk: int) -> tuple[Tensor, Tensor]:
        monkeypatch.setattr(logits, "CHUNK", chunk)
        hidden = torch.randn(7, 16, generator=torch.Generator().manual_seed(1)).requires_grad_()
        values = token_logprobs(hidden, tokens, lambda part: part @ weight.T, 40, 0.7)
        torch.autograd.backward((values * torch.arange(7)).sum())
        assert hidden.grad is not None
        return values.detach(), hidden.grad

    whole, parts = computed(2**20), computed(3 * 40 * 4)  # three tokens at a time
    for first, second in zip(whole, parts, strict=True):
        torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)
    rows = torch.arange(7)
    hidden = torch.randn(7, 16, generator=torch.Generator().manual_seed(1))
    expected = ((hidden @ weight.T) / 0.7).log_softmax(dim=-1)[rows, tokens]
    torch.testing.assert_close(whole[0], expected)
