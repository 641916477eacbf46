from tasks.doctor.checks import disk
from tasks.state.workspace import Workspace
from tests.tasks.doctor.cures import diagnoses


def test_checkpoints_larger_than_the_disk(workspace: Workspace) -> None:
    assert diagnoses("disk", workspace) == []
    file = workspace.checkpoint("policy") / "model.safetensors"
    file.parent.mkdir(parents=True)
    with file.open("wb") as stream:
        stream.truncate(10**12)  # a sparse file: it takes no room
    [found] = diagnoses("disk", workspace)
    assert (found.severity, found.check) == ("error", "disk")
    assert found.cure == f"rounds gc --yes -w {workspace.root}"
    assert disk.estimate(workspace) == 2 * 10**12
    file.unlink()
    assert diagnoses("disk", workspace) == []
