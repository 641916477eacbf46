import json
from pathlib import Path

from tasks.history.gc import feedback, unfold


def cached(folder: Path, name: str, **files: str) -> dict[str, Path]:
    """A folder's object in a cache, and those of its files: name → MD5."""
    listed = folder / f"{name}.dir"
    listed.write_text(json.dumps([{"md5": md5, "relpath": path} for path, md5 in files.items()]))
    found = {f"{name}.dir": listed}
    for md5 in files.values():
        found[md5] = folder / md5
        found[md5].write_text(md5)
    return found


def test_a_folder_needs_its_files(tmp_path: Path) -> None:
    found = cached(tmp_path, "a", one="1", two="2") | cached(tmp_path, "b", two="2", three="3")
    assert unfold(found, ["a.dir"]) == {"a.dir", "1", "2"}
    assert unfold(found, ["3", "gone.dir"]) == {"3", "gone.dir"}


def test_feedback_and_votes_are_known_by_their_parts(tmp_path: Path) -> None:
    parts = {"part-00003-0.parquet": "p"}
    found = cached(tmp_path, "feedback", **parts) | cached(tmp_path, "rows", **{"train.arrow": "t"})
    found |= cached(tmp_path, "refused", **{"quarantine/round-00003.jsonl": "q"})
    assert feedback(found) == {"feedback.dir", "p", "refused.dir", "q"}
