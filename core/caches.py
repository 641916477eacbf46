"""Cache folders of libraries, where the home folder cannot be written."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from core.files import unwritable


def provide_matplotlib_folder() -> None:
    """Give matplotlib a temporary folder, removed at exit, if it cannot write its own; it would do so with warnings.

    A folder named by `MPLCONFIGDIR` is kept. Child processes inherit the folder.
    """
    if not os.environ.get("MPLCONFIGDIR") and unwritable(_default_folder()):
        folder = tempfile.mkdtemp(prefix="matplotlib-")
        os.environ["MPLCONFIGDIR"] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def _default_folder() -> Path:
    """Matplotlib's configuration folder on Linux."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser()
    return Path(config) / "matplotlib"
