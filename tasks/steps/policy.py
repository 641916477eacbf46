"""policy: trains the round's candidate by reinforcement learning against the reward model, or a server's scores."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from core.plugins import make
from models import adapters, ranks
from models.adapters import AdapterSettings
from models.algorithms import Algorithm
from models.checkpoints import Checkpoints
from models.compute import Sharding
from models.engines.local import LocalEngine
from models.loading import Loader
from models.measured import POLICY_CUT_PROMPTS
from models.policy import ModelSettings, Policy, build
from models.rewards import ScoringContext
from models.rollout import SamplingSettings
from models.tokens import encode_prompts
from models.truncation import cut_share
from tasks.state import loading, model, sampling
from tasks.state.inputs import Base
from tasks.state.reports import SampledReport
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.tables import load
from tasks.state.workspace import table


def policy(round: Round, log: StepLog) -> None:
    """Train from the champion or the SFT model, as the algorithm requires; a killed run resumes from its checkpoint."""
    workspace, limits = round.workspace, round.knobs("model", ModelSettings)
    algorithm: Algorithm = make("models.algorithms", round.values["policy"]["use"], round.values["policy"])
    prompts = load(table(workspace.prompts, "train"))["prompt"]
    sft = workspace.checkpoint("sft")
    how = algorithm.launch.sharding
    loader = loading.of_round(round, how)
    candidate = _start(round, loader, how) if algorithm.start == "champion" else loader.trainable(sft, "policy")
    checkpoints = Checkpoints(workspace.state("policy"), str(round.seed))
    encoded = encode_prompts(candidate.tokenizer, prompts, limits.max_prompt_tokens)
    losses: dict[str, float] = {POLICY_CUT_PROMPTS: cut_share(encoded)}
    last: dict[str, float] = {}

    def note(metrics: Mapping[str, float], iteration: int, total: int | None = None) -> None:
        nonlocal last  # only the last: a resumed step does not see the metrics of earlier iterations
        last = {**metrics, **losses}
        log(last, iteration, total)

    ids = [prompt.ids for prompt in encoded]
    context = ScoringContext(
        tokenizer=candidate.tokenizer,
        end_ids=frozenset(candidate.end_ids),
        prompts={tuple(row): turns for row, turns in zip(ids, prompts, strict=True)},
        model=lambda: loader.reward_model(workspace.checkpoint("reward")),
    )
    rows = getattr(algorithm, "sampling", SamplingSettings()).batch
    with (
        log.learning(),
        algorithm.reward.scoring(context) as score,
        sampling.of_step(round, "policy", rows) as source,
        closing(LocalEngine(candidate, loader.policy(sft), score, source.sample)) as engine,
    ):
        algorithm.train(engine, ids, limits.max_answer_tokens, checkpoints, note, round.seed_for("policy"))
    metrics = {name: value for name, value in last.items() if not name.startswith("time/")}

    candidate.save(workspace.checkpoint("policy"))
    report = SampledReport(metrics=metrics, sampler=source.name())
    ranks.once(lambda: report.save(workspace.report("policy")))


def _start(round: Round, loader: Loader, how: Sharding | None) -> Policy:
    """The champion; after `rounds rebase`, what computes the same: the new base, or a new adapter of it."""
    champion, base, settings = round.workspace.champion, round.base, model.settings(round)
    if base is None or _continues(champion, base, settings.adapter):
        return loader.trainable(champion, "policy")
    if settings.adapter is None:
        return build(settings, (), how=how)
    return loader.new_adapter(base.digest, settings.adapter, "policy", round.seed_for("policy adapter"))


def _continues(champion: Path, base: Base, adapter: AdapterSettings | None) -> bool:
    """Whether the champion can be trained on: a whole model, or an adapter of the round's base."""
    if not adapters.is_adapter(champion):
        return adapter is None
    return adapter is not None and adapters.read(champion).base == base.digest
