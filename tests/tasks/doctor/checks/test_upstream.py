from pathlib import Path

from tasks.state.workspace import Workspace
from tests.serving import served
from tests.serving.fake_openai import FakeOpenAI, writing
from tests.tasks.doctor.cures import diagnoses
from tests.workspaces import Furnish


def texts(workspace: Workspace, upstream: str) -> list[str]:
    workspace.serving.write_text(f"upstream: {upstream}")
    return [found.text for found in diagnoses("upstream", workspace) if found.severity == "error"]


def test_a_server_that_is_needed_has_to_answer_and_to_have_the_champion(furnish: Furnish, tmp_path: Path) -> None:
    workspace = furnish(tmp_path / "workspace")
    assert diagnoses("upstream", workspace) == []
    with writing(FakeOpenAI(models=["policy/2"])) as fake:
        assert texts(workspace, f"{{url: '{fake.url}'}}") == [], "there is no champion yet"
        served.make(workspace)
        [missing] = texts(workspace, f"{{url: '{fake.url}'}}")
        assert "has no model 'policy/1', but policy/2" in missing
        assert texts(workspace, f"{{url: '{fake.url}', models: {{1: policy/2}}}}") == []
    [away] = texts(workspace, f"{{url: '{fake.url}'}}")
    assert "does not answer" in away
    [wrong] = texts(workspace, "{url: nowhere}")
    assert "upstream.url" in wrong
    assert texts(workspace, "null") == []
