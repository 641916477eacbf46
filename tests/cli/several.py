"""A program for tests: runs several commands in one process, in which MLflow is imported once.

`python -m tests.cli.several [FOLDER] < COMMANDS`: a JSON list of words in each line; prints exit status, output and
errors of each as JSON. With FOLDER, the program first makes that folder read-only, for itself alone.
"""

import ctypes
import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout

from cli.__main__ import main

NEW_NAMESPACE = 0x00020000
PRIVATE = 1 << 18 | 1 << 14
BIND, READ_ONLY = 1 << 12, 1 << 5 | 1 << 12 | 1


def read_only(folder: str) -> None:
    """Mount the folder over itself, read-only, in a mount namespace of this process. Needs root.

    Raises:
        OSError: it cannot be mounted.
    """
    _call("unshare", NEW_NAMESPACE)
    path = os.fsencode(folder)
    _call("mount", b"none", b"/", None, PRIVATE, None)
    _call("mount", path, path, None, BIND, None)
    _call("mount", path, path, None, READ_ONLY, None)


def _call(name: str, *arguments: object) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments):
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def run(words: list[str]) -> tuple[object, str, str]:
    """Exit status, output and errors of a command."""
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["rounds", *words]
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            return end.code, out.getvalue(), err.getvalue()
    raise AssertionError("a command ends with SystemExit")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        read_only(sys.argv[1])
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
