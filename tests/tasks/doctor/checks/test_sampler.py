from pathlib import Path

import pytest

from models.vllm_server import free_port
from tasks.state import sampler
from tasks.state.workspace import PROJECT, Workspace
from tests.tasks.doctor.cures import diagnoses


def test_vllm_that_is_not_installed(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert diagnoses("sampler", workspace) == []
    monkeypatch.setattr(sampler, "PYTHON", tmp_path / "none/bin/python")
    workspace.params.write_text("sampler: {engine: vllm}")
    [found] = diagnoses("sampler", workspace)
    assert (found.severity, found.cure) == ("error", f"make -C {PROJECT} vllm")


def test_a_server_that_does_not_answer(workspace: Workspace) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    workspace.params.write_text(f"sampler: {{engine: vllm, vllm: {{url: '{url}'}}}}")
    [found] = diagnoses("sampler", workspace)
    assert f"sampler.vllm.url={url}: no vLLM server answers" in found.text
