"""The tree that docs/architecture.md draws is the one that is there."""

from collections.abc import Iterator

from tests.pages import ROOT, blocks

INDENT = 2


def folders() -> Iterator[str]:
    """The folders of the block, as paths from the root: an indented one is inside the last that is not."""
    [block] = blocks(ROOT / "docs/architecture.md", "tree")
    outer = ""
    for line in block.splitlines():
        name = line.split()[0].rstrip("/")
        if line.startswith(" " * INDENT):
            yield f"{outer}/{name}"
        else:
            outer = name
            yield outer


def packages() -> set[str]:
    """The packages of the repository, down to two levels."""
    inits = [*ROOT.glob("*/__init__.py"), *ROOT.glob("*/*/__init__.py")]
    return {file.parent.relative_to(ROOT).as_posix() for file in inits}


def test_every_folder_that_is_drawn_is_there() -> None:
    assert [name for name in folders() if not (ROOT / name).is_dir()] == []


def test_every_package_is_drawn() -> None:
    assert packages() - set(folders()) == set()
