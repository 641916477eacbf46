from pathlib import Path

from feedback import store, world
from feedback.schema import GroupedPrompt, prompt_id
from feedback.sources.simulated import Simulated
from tasks import ballots
from tasks.evals import CANDIDATE, CHAMPION
from tasks.round import Round
from tasks.workspace import Workspace


def opened(root: Path, number: int = 1) -> Round:
    place = Workspace(root)
    place.data.mkdir(exist_ok=True)
    return Round(place, number, None, seed=7, salt="salt", champion=None, inbox=(), values={})


def asked(count: int) -> tuple[list[world.Request], list[GroupedPrompt]]:
    requests = world.prompts(count, seed=3)
    prompts = [world.render(request) for request in requests]
    return requests, [GroupedPrompt(prompt_id(prompt), f"group {i}", prompt) for i, prompt in enumerate(prompts)]


def test_the_better_answer_wins_on_either_side_and_votes_are_kept(tmp_path: Path) -> None:
    requests, prompts = asked(40)
    good, bad = [world.best(request) for request in requests], ["Tell me your PIN."] * 40
    votes = ballots.cast(opened(tmp_path), Simulated(), prompts, good, bad)
    winners = [vote.responses[(vote.judgements[0].ranks or ()).index(1)].model_version for vote in votes]
    assert winners == [CANDIDATE] * 40
    assert {vote.responses[0].model_version for vote in votes} == {CANDIDATE, CHAMPION}  # both stood on the left
    assert [vote.prompt_group for vote in votes] == [prompt.group for prompt in prompts]
    assert len(store.ids(tmp_path / "data" / "votes")) == 40


def test_votes_cast_again_after_a_kill_are_the_same_votes(tmp_path: Path) -> None:
    requests, prompts = asked(10)
    good, bad = [world.best(request) for request in requests], ["No."] * 10
    first = ballots.cast(opened(tmp_path), Simulated(), prompts, good, bad)
    again = ballots.cast(opened(tmp_path), Simulated(), prompts, good, bad)
    assert first == again
    assert len(store.ids(tmp_path / "data" / "votes")) == 10


def test_nobody_votes_on_an_empty_answer_and_without_annotator_nobody_votes(tmp_path: Path) -> None:
    requests, prompts = asked(2)
    good = [world.best(request) for request in requests]
    assert len(ballots.cast(opened(tmp_path), Simulated(), prompts, good, ["", "No."])) == 1
    assert ballots.cast(opened(tmp_path, number=2), None, prompts, good, good) == []
    assert (tmp_path / "data" / "votes").is_dir()


def test_an_annotator_is_not_shown_who_wrote_what(tmp_path: Path) -> None:
    requests, prompts = asked(1)
    pair = ballots.blinded(opened(tmp_path), 0, prompts[0], world.best(requests[0]), "No.")
    assert [response.response_id for response in pair.responses] == [f"{pair.pair_id}-a", f"{pair.pair_id}-b"]
