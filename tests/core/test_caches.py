"""A home folder that cannot be written gives no warnings."""

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import os
from core.caches import provide_matplotlib_folder
provide_matplotlib_folder()
print(os.environ.get("MPLCONFIGDIR", ""))
"""
AND_IMPORT = f"{PROGRAM}\nimport matplotlib; matplotlib.get_configdir(), matplotlib.get_cachedir()"
UNWRITABLE = "/proc/none"


def run(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program in an environment without a folder for matplotlib."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("MPLCONFIGDIR", "XDG_CONFIG_HOME")}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=inherited | variables, capture_output=True, text=True, check=True)


def test_matplotlib_gets_a_temporary_folder_without_warnings(tmp_path: Path) -> None:
    done = run(AND_IMPORT, HOME=UNWRITABLE, XDG_CACHE_HOME=UNWRITABLE, TMPDIR=str(tmp_path))
    assert Path(done.stdout.strip()).parent == tmp_path
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []  # removed at exit


def test_a_writable_folder_is_kept(tmp_path: Path) -> None:
    assert run(PROGRAM, HOME=str(tmp_path)).stdout.strip() == ""
    assert run(PROGRAM, HOME=UNWRITABLE, XDG_CONFIG_HOME=str(tmp_path)).stdout.strip() == ""
    assert run(PROGRAM, HOME=UNWRITABLE, MPLCONFIGDIR="/mine").stdout.strip() == "/mine"
