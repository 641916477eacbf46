from importlib.metadata import version
from pathlib import Path

from tasks.doctor.checks import packages


def test_versions_that_differ_from_the_lock_are_named(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.txt"
    lock.write_text(f"pydantic=={version('pydantic')}\nnot-installed-at-all==1.0\n")
    assert [*packages.compared(lock)] == []
    lock.write_text("pydantic==0.1\n")
    [found] = packages.compared(lock)
    assert (found.severity, f"pydantic {version('pydantic')}, not 0.1" in found.text) == ("warning", True)
    assert str(found.cure).endswith(f"-m pip install -r {lock}")


def test_what_is_installed_here_is_the_lock() -> None:
    assert [*packages.compared(packages.LOCK)] == []
