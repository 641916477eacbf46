"""The counts grow by exactly what was sampled and trained on."""

from collections.abc import Callable

from datasets import Dataset

from models import token_counts
from models.engines import Loss, Step
from models.engines.local import LocalEngine
from models.policy import ModelSettings, Policy
from models.reward import RewardSettings, fit
from models.rollout import SamplingSettings, sample
from models.seeding import generator
from models.sft import SFTSettings
from models.sft import fit as finetune
from models.token_counts import TokensUsed
from models.tokens import pad

LIMITS = ModelSettings(max_prompt_tokens=16, max_answer_tokens=12)


def spent(work: Callable[[], object]) -> TokensUsed:
    before = token_counts.so_far()
    work()
    after = token_counts.so_far()
    return TokensUsed(after.sampled - before.sampled, after.trained - before.trained)


def test_each_token_of_an_answer_counts_once(tiny: Policy) -> None:
    rollouts = []
    used = spent(lambda: rollouts.append(sample(tiny, [[3, 9], [4], [5]], SamplingSettings(batch=2), 6, generator(0))))
    assert used == (int(rollouts[0].batch.response.sum()), 0)
    assert 3 <= used.sampled <= 18


def test_a_gradient_step_counts_prompts_and_answers_of_its_rows_without_padding(tiny: Policy) -> None:
    engine = LocalEngine(tiny, tiny, lambda batch: batch.response.sum(1).float())
    batch = pad([[3, 9, 4], [3, 7], [5]], [[9, 1], [8, 8, 1], [4]], 1)  # 5, 5 and 2 tokens
    used = spent(
        lambda: engine.update_policy(
            batch, [0, 2], 1.0, lambda logprobs, rows: Loss(-logprobs.sum(), {}), Step(1e-3, 1.0)
        )
    )
    assert used == (0, 7)


def test_demonstrations_count_once_per_epoch(tiny: Policy) -> None:
    rows = [{"prompt": [{"role": "user", "content": "hi"}], "completion": "hi", "weight": 1.0}]

    def trained(epochs: int) -> TokensUsed:
        knobs = SFTSettings(epochs=epochs)
        return spent(lambda: finetune(tiny, Dataset.from_list(rows), knobs, LIMITS, seed=0))

    once, thrice = trained(1), trained(3)
    assert once.trained > 2
    assert thrice == (0, 3 * once.trained)


def test_a_prompt_counts_once_with_its_answers(tiny: Policy) -> None:
    row = {"prompt": [{"role": "user", "content": "hi"}], "p_chosen": 1.0, "weight": 1.0, "pair_id": "a"}
    pairs = Dataset.from_list([{**row, "chosen": "yes", "rejected": "no", "strength": None}])
    encoded = [len(tiny.tokenizer.encode(text)) + 1 for text in ("yes", "no")]  # each with its end
    used = spent(lambda: fit(tiny, pairs, RewardSettings(epochs=2), LIMITS, seed=0))
    prompt = used.trained / 2 - sum(encoded)
    assert (used.sampled, prompt > 0, prompt == int(prompt)) == (0, True, True)
