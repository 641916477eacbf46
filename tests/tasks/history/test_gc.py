import json
from pathlib import Path

from tasks.history.gc import feedback, unfold


def cached(folder: Path, name: str, **files: str) -> dict[str, Path]:
    """The objects of a folder and its files in a cache: MD5 → path."""
    listed = folder / f"{name}.dir"
    listed.write_text(json.dumps([{"md5": md5, "relpath": path} for path, md5 in files.items()]))
    objects = {f"{name}.dir": listed}
    for md5 in files.values():
        objects[md5] = folder / md5
        objects[md5].write_text(md5)
    return objects


def test_a_needed_folder_needs_its_files(tmp_path: Path) -> None:
    objects = cached(tmp_path, "a", one="1", two="2") | cached(tmp_path, "b", two="2", three="3")
    assert unfold(objects, ["a.dir"]) == {"a.dir", "1", "2"}
    assert unfold(objects, ["3", "gone.dir"]) == {"3", "gone.dir"}


def test_feedback_and_votes_are_recognised_by_their_file_names(tmp_path: Path) -> None:
    parts = {"part-00003-0.parquet": "p"}
    objects = cached(tmp_path, "feedback", **parts) | cached(tmp_path, "rows", **{"train.arrow": "t"})
    objects |= cached(tmp_path, "refused", **{"quarantine/round-00003.jsonl": "q"})
    assert feedback(objects) == {"feedback.dir", "p", "refused.dir", "q"}
