"""The children of a process, which are found and ended without a library."""

import os
import subprocess
import sys
from pathlib import Path

from core import descendants
from tests.core.kept import family, numbers

ENDS = """
import subprocess, sys, time
from core import descendants
descendants.adopt_orphans()
service = subprocess.Popen(sys.argv[2:])
print("ready", flush=True)
sys.stdin.readline()
descendants.end_children(float(sys.argv[1]))
print(descendants.children(), flush=True)
"""


def test_the_children_of_this_process_are_listed_with_their_start() -> None:
    before = descendants.children()
    with subprocess.Popen(["sleep", "600"]) as child:
        assert [number for number in descendants.children() if number not in before] == [child.pid]
        since = descendants.started(child.pid)
        assert since is not None
        own = descendants.started(os.getpid())
        assert own is not None
        assert own <= since
        child.kill()
        child.wait()
        assert descendants.started(child.pid) is None
    assert descendants.children() == before


def test_a_name_with_brackets_and_blanks_is_no_obstacle(tmp_path: Path) -> None:
    program = tmp_path / "a) S 1 (b"
    program.symlink_to("/bin/sleep")
    with subprocess.Popen([str(program), "600"]) as child:
        assert child.pid in descendants.children()
        child.kill()


def test_every_generation_is_ended(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ENDS, "0.2", *family(tmp_path, 3, "deaf")]
    done = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    generations = numbers(tmp_path, 3)
    out, _ = done.communicate("end\n")
    assert out.splitlines() == ["ready", "[]"]
    assert [descendants.started(number) for number in generations] == [None] * 4
