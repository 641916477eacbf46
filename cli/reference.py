"""Pages that are written by the code they describe: docs/params.md and docs/cli.md. A test holds them against it."""

import subprocess
import sys

from cli.display.knobs import params_page
from tasks.state.workspace import PROJECT

COMMANDS = (
    *(
        "round",
        "step",
        "plan",
        "params",
        "status",
        "votes pull",
        "votes push",
        "approve",
        "rollback",
        "promote",
        "cooldown",
        "watch",
    ),
    *("watch", "drift", "feedback", "lineage", "evidence", "diff", "replay", "blame", "explain", "incident"),
    *("incident open", "incident note", "incident close", "incident list", "incident show", "audit", "gc"),
)
"""The commands of `rounds`, in the order of their page."""


def cli_page() -> str:
    """The help texts of all commands."""
    parts = ["# Command line\n\nWritten by `make docs`.\n"]
    for words in ([], *(name.split() for name in COMMANDS)):
        command = ["rounds", *words, "--help"]
        done = subprocess.run(
            [sys.executable, "-m", "cli", *words, "--help"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": "", "COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"},
        )
        text = "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())
        parts.append(f"## `{' '.join(command)}`\n\n```\n{text}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (PROJECT / "docs" / "params.md").write_text(params_page(), encoding="utf-8")
    (PROJECT / "docs" / "cli.md").write_text(cli_page(), encoding="utf-8")
