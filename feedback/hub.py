"""Datasets on the Hugging Face Hub: `hf://datasets/OWNER/NAME[@REVISION][/CONFIG]`, as the hub itself names them.

The library `datasets` downloads them to its cache, as Arrow files.
"""

from pathlib import Path

from core.errors import BadFeedback

_SCHEME, _KIND = "hf:", "datasets"  # a Path has one slash where the address has two


def is_address(path: Path) -> bool:
    """Whether a path is the address of a dataset on the hub."""
    return path.parts[:1] == (_SCHEME,)


def files(path: Path, split: str) -> list[Path]:
    """The Arrow files of one split of a dataset; downloaded if they are not in the cache.

    Raises:
        BadFeedback: it is no address of a dataset, or the dataset cannot be loaded.
    """
    import datasets  # only here: it takes seconds to load
    from datasets.exceptions import DatasetsError

    owner_and_name, revision, config = _parts(path)
    datasets.disable_progress_bars()
    try:
        dataset = datasets.load_dataset(owner_and_name, config, split=split, revision=revision)
    except (DatasetsError, OSError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise BadFeedback(
            f"{_shown(path)}: the split {split!r} cannot be loaded ({reason}); check the address, the split and the "
            "connection, or download its files and set `path` of the source table to them"
        ) from error
    return sorted(Path(file["filename"]) for file in dataset.cache_files)


def source_name(path: Path) -> str:
    """The source of the records that state none: the name of the dataset."""
    return _parts(path)[0].partition("/")[2]


def _parts(path: Path) -> tuple[str, str | None, str | None]:
    """Owner and name, revision and configuration."""
    if path.parts[1:2] != (_KIND,) or len(path.parts) not in (4, 5):
        raise BadFeedback(
            f"{_shown(path)} is no address of a dataset; write hf://datasets/OWNER/NAME, with @REVISION after the name "
            "for one commit and /CONFIG for a configuration"
        )
    name, _, revision = path.parts[3].partition("@")
    return f"{path.parts[2]}/{name}", revision or None, path.parts[4] if len(path.parts) == 5 else None


def _shown(path: Path) -> str:
    return str(path).replace(f"{_SCHEME}/", f"{_SCHEME}//", 1)
