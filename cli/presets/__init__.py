"""Presets: values of params.yaml for a purpose, one YAML file each. `rounds init w --preset real` copies real.yaml."""

from pathlib import Path

from core.errors import BadParams

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The presets that exist, in alphabetical order."""
    return sorted(file.stem for file in _FOLDER.glob("*.yaml"))


def text(name: str) -> str:
    """The params.yaml of a preset.

    Raises:
        BadParams: there is no such preset; the message lists those that exist.
    """
    if name not in names():
        raise BadParams(f"--preset {name}: there is no such preset; there are: {', '.join(names())}")
    return (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
