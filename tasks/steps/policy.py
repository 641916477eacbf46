"""policy: trains the round's candidate by reinforcement learning against the reward model."""

from collections.abc import Mapping

from core.plugins import make
from models.algorithms import Algorithm
from models.checkpoints import Checkpoints
from models.engines.local import LocalEngine
from models.measured import POLICY_CUT_PROMPTS
from models.policy import ModelSettings
from models.tokens import encode_prompts
from models.truncation import cut_share
from tasks.state import loading
from tasks.state.reports import StepReport
from tasks.state.round import Round
from tasks.state.steplog import StepLog
from tasks.state.tables import load
from tasks.state.workspace import table


def policy(round: Round, log: StepLog) -> None:
    """Train from the champion or the SFT model, as the algorithm requires; a killed run resumes from its checkpoint."""
    workspace, limits = round.workspace, round.knobs("model", ModelSettings)
    algorithm: Algorithm = make("models.algorithms", round.values["policy"]["use"], round.values["policy"])
    prompts = load(table(workspace.prompts, "train"))["prompt"]
    start = workspace.champion if algorithm.start == "champion" else workspace.checkpoint("sft")
    loader = loading.of_round(round)
    candidate = loader.trainable(start, "policy")
    engine = LocalEngine(
        candidate, loader.policy(workspace.checkpoint("sft")), loader.reward_model(workspace.checkpoint("reward"))
    )
    checkpoints = Checkpoints(workspace.state("policy"), str(round.seed))
    encoded = encode_prompts(candidate.tokenizer, prompts, limits.max_prompt_tokens)
    losses: dict[str, float] = {POLICY_CUT_PROMPTS: cut_share(encoded)}
    last: dict[str, float] = {}

    def note(metrics: Mapping[str, float], iteration: int, total: int | None = None) -> None:
        nonlocal last  # only the last: a resumed step does not see the metrics of earlier iterations
        last = {**metrics, **losses}
        log(last, iteration, total)

    ids = [prompt.ids for prompt in encoded]
    with log.learning():
        algorithm.train(engine, ids, limits.max_answer_tokens, checkpoints, note, round.seed_for("policy"))
    candidate.save(workspace.checkpoint("policy"))
    metrics = {name: value for name, value in last.items() if not name.startswith("time/")}
    StepReport(metrics=metrics).save(workspace.report("policy"))
