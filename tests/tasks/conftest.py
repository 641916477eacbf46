import shutil
from pathlib import Path

import pytest

from models.policy import ModelSettings, Policy, build
from models.reward import RewardModel
from models.scorer import Scorer
from tests.tasks.steps.hand_written import QUESTIONS, SHAPE

ANSWERS = ("It is on its way.", "You can return it.", "The lamp is in stock.")


@pytest.fixture
def home(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a workspace with an MLflow database. The present folder is another one, and stays empty."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    root = tmp_path / "a workspace"
    root.mkdir()
    shutil.copyfile(empty_store, root / "mlflow.db")
    return root


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained models of hidden size 16 with one tokenizer: `policy`, `sft`, and the reward model `reward`."""
    folder, shape = tmp_path_factory.mktemp("models"), ModelSettings.model_validate(SHAPE)
    policy = build(shape, [*QUESTIONS, *ANSWERS] * 3)
    policy.save(folder / "policy")
    build(shape, [], seed=1, tokenizer=policy.tokenizer).save(folder / "sft")
    scorer = Scorer.from_policy(Policy.load(folder / "sft"), likelihood=1.0, surprise=0.0)
    RewardModel(scorer, shape.max_prompt_tokens, shape.max_answer_tokens, temperature=2.0).save(folder / "reward")
    return folder
