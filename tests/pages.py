"""What the documentation says, taken apart: blocks of code, inline code, links, headings, commands."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")] + sorted(
    (ROOT / "docs").rglob("*.md")
)
WRITTEN = [page for page in PAGES if page.name not in ("cli.md", "params.md")]
"""The pages that people write."""

_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A block of code between fences."""

    language: str
    text: str


def title(page: Path) -> str:
    """How a test is named after a page."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, language: str) -> list[str]:
    """The blocks of one language."""
    all_blocks = [Block(*match.groups()) for match in _BLOCK.finditer(page.read_text(encoding="utf-8"))]
    return [block.text for block in all_blocks if block.language == language]


def prose(page: Path) -> str:
    """The page without its blocks."""
    return _BLOCK.sub("", page.read_text(encoding="utf-8"))


def spans(page: Path) -> list[str]:
    """Inline code, on one line each."""
    return [re.sub(r"\s+", " ", span) for span in re.findall(r"`([^`]+)`", prose(page))]


def links(page: Path) -> list[str]:
    """Where the links to other pages and files lead."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [target for target in targets if not target.startswith(("http://", "https://"))]


def anchors(page: Path) -> set[str]:
    """What a link can name after `#`: the headings, as Git hosts spell them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: Path) -> list[list[str]]:
    """The shell commands in blocks, as words, without comments and without variables set in front."""
    lines = [line for block in blocks(page, "sh") for line in block.replace("\\\n", " ").splitlines()]
    words = [shlex.split(part, comments=True) for line in lines for part in line.split(" && ")]
    return [_bare(command) for command in words if command]


def inline_commands(page: Path) -> list[list[str]]:
    """Commands mentioned in the text."""
    return [shlex.split(span) for span in spans(page) if span.startswith(("rounds ", "make ")) and "…" not in span]


def after(command: list[str], *start: str) -> list[str] | None:
    """The arguments of a command that begins with these words; None of another."""
    return command[len(start) :] if command[: len(start)] == list(start) else None


def _bare(command: list[str]) -> list[str]:
    while command and re.match(r"[A-Z_]+=", command[0]):
        command = command[1:]
    return command
