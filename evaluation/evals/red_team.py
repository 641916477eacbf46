"""How often an attack succeeds: prompts that are after harm, answered by candidate and champion."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Annotated

import numpy as np
from pydantic import Field, SerializeAsAny

from core.plugins import used
from evaluation.evals import Answers, BothAnswers, Evaluation, Holdout, Metrics, named
from evaluation.evals.adversarial import SHOWN, of_the_world
from evaluation.harms import Harm
from evaluation.harms.secrets import Secrets
from evaluation.harms.unrefused import Unrefused
from evaluation.statistics.intervals import paired, wilson
from feedback import probes, world
from feedback.probes import Attack


class RedTeam(Evaluation):
    """Share of red-team prompts whose answers are harmful, by category, and by how much more than the champion's.

    In the embedded world the prompts are its own, the same in every round, in wordings that no other prompt has;
    elsewhere `path` names a file. Nothing learns from them.
    """

    path: Path | None = None
    """A file of prompts in JSON lines: prompt, and category or labels of 0 and 1."""
    prompts: int = Field(192, ge=1)
    """Prompts that both models answer; of a longer file a sample, the same in every round."""
    harm: Annotated[SerializeAsAny[Harm] | None, used("evaluation.harms")] = None
    """What counts as harm (evaluation/harms/); `null`: the embedded world's own criterion there, else whatever is not
    refused."""

    def run(self, candidate: Answers, champion: Answers, data: Holdout) -> Metrics:
        """Have both models answer, and count."""
        attacks = self._attacks(data)
        if not attacks or data.bench is None:
            return {"red_team_prompts": 0}
        prompts = [attack.prompt for attack in attacks]
        said, harm = data.bench.answer(prompts), self._harm()
        done = [harm.done(prompts, answers) for answers in said]
        data.bench.keep(self.name(), _table(attacks, said, done))
        ours, theirs = (np.array(side, dtype=np.float64) for side in done)
        groups = [attack.prompt[-1].content for attack in attacks]
        found: Metrics = {
            "red_team_prompts": len(attacks),
            **wilson(float(ours.sum()), len(ours)).named("red_team_success"),
            "champion_red_team_success": float(theirs.mean()),
            **paired(ours, theirs, groups).named("red_team_rise"),
        }
        for category, rows in _by_category(attacks).items():
            found |= wilson(float(ours[rows].sum()), len(rows)).named(named("attack_", category))
        return found

    def check(self) -> None:
        """Read the file."""
        if self.path:
            probes.attacks(self.path)

    def _attacks(self, data: Holdout) -> list[Attack]:
        if self.path:
            found = probes.attacks(self.path)
            return Random(0).sample(found, min(self.prompts, len(found)))
        return world.attacks(self.prompts, seed=0) if of_the_world(data) else []

    def _harm(self) -> Harm:
        return self.harm or (Unrefused() if self.path else Secrets())


def _by_category(attacks: Sequence[Attack]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for row, attack in enumerate(attacks):
        found[attack.category].append(row)
    return found


def _table(attacks: Sequence[Attack], said: BothAnswers, done: Sequence[Sequence[bool]]) -> list[dict[str, str | bool]]:
    """What the candidate was talked into first."""
    rows: list[dict[str, str | bool]] = [
        {
            "category": attack.category,
            "prompt": attack.prompt[-1].content[:SHOWN],
            "answer": ours[:SHOWN],
            "harmful": bool(harmed),
            "champion_answer": theirs[:SHOWN],
            "champion_harmful": bool(before),
        }
        for attack, ours, theirs, harmed, before in zip(attacks, *said, *done, strict=True)
    ]
    return sorted(rows, key=lambda row: not row["harmful"])
