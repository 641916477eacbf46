"""What the embedded world gives to learn from, without a workspace: demonstrations, preference pairs, an SFT model."""

from pathlib import Path
from random import Random
from typing import Any

from feedback import world
from feedback.world import CustomerRequest
from models import sft
from models.policy import ModelSettings, build
from models.sft import SFTSettings

Row = dict[str, Any]

LIMITS = ModelSettings()
"""The default model, from scratch, and the default limits of tokens."""
HELD_OUT = 1_000_000
"""Added to a seed for prompts and answers of a holdout; a few prompts are equal by chance."""


def turns(request: CustomerRequest) -> list[dict[str, str]]:
    """The prompt of a request."""
    return [{"role": turn.role, "content": turn.content} for turn in world.render(request)]


def demonstrations(count: int, seed: int) -> list[Row]:
    """Demonstrations of mixed quality, for `sft.fit`."""
    rng = Random(f"demonstrations {seed}")
    return [
        {"prompt": turns(request), "completion": world.demonstrate(request, rng), "weight": 1.0}
        for request in world.prompts(count, seed)
    ]


def texts(count: int) -> list[str]:
    """Questions and answers, for a tokenizer."""
    rows = demonstrations(count, 0)
    return [text for row in rows for text in (row["prompt"][0]["content"], row["completion"])]


def pairs(prompts: int, answers: int, seed: int) -> list[Row]:
    """Preferences by true utility: all pairs of some answers of different utility to each prompt."""
    rng, rows = Random(f"pairs {seed}"), []
    for request in world.prompts(prompts, seed):
        own: dict[float, str] = {}  # by utility
        while len(own) < answers:
            answer = world.demonstrate(request, rng)
            own.setdefault(world.utility(request, answer), answer)
        ranked = [own[utility] for utility in sorted(own, reverse=True)]
        rows += [
            {
                "prompt": turns(request),
                "chosen": chosen,
                "rejected": rejected,
                "p_chosen": 1.0,
                "weight": 1.0,
                "strength": None,
            }
            for place, chosen in enumerate(ranked)
            for rejected in ranked[place + 1 :]
        ]
    return rows


def save_sft_model(folder: Path, count: int, seed: int = 0) -> None:
    """Train a model from scratch on demonstrations, with the default settings of a round."""
    rows = demonstrations(count, seed)
    policy = build(LIMITS, texts(count), seed)
    sft.fit(policy, rows, SFTSettings(), LIMITS, seed)
    policy.save(folder)
