import pytest
import torch

from models.critic import Critic
from models.tokens import pad
from tests.models.test_scorer import ARCHITECTURES, tiny, two_texts, value_after


def critic(name: str = "llama") -> Critic:
    """A critic with a random value head."""
    model = Critic.from_policy(tiny(name))
    torch.manual_seed(1)
    torch.nn.init.normal_(model.head.weight)
    return model


def test_a_new_critic_gives_zero_values() -> None:
    assert not Critic.from_policy(tiny()).values(two_texts()).any()


def test_the_value_of_a_token_is_computed_from_the_tokens_before_it() -> None:
    values, after = critic().values(two_texts()), value_after(critic(), two_texts().ids)
    assert values[1].tolist() == [0.0, 0.0, after[1, 1].item(), after[1, 2].item(), 0.0, 0.0, 0.0]


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_padding_changes_no_value(name: str) -> None:
    alone = pad([[8, 9]], [[13, 1]], pad_id=0)
    other = pad([[5, 6, 7], [8, 9]], [[10, 11, 12, 1], [13, 1]], pad_id=200)  # another token to pad with
    for batch in (two_texts(), other):
        torch.testing.assert_close(critic(name).values(batch)[1:, :4], critic(name).values(alone), rtol=1e-5, atol=1e-5)


def test_a_critic_shares_no_weight_with_its_policy() -> None:
    policy = tiny()
    model = Critic.from_policy(policy)
    torch.nn.init.ones_(model.head.weight)
    before = value_after(model, two_texts().ids)
    with torch.no_grad():
        policy.model.get_input_embeddings().weight.zero_()
    assert torch.equal(value_after(model, two_texts().ids), before)
