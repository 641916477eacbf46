"""Files by content and values by name, in a folder and in an object store."""

from pathlib import Path

import pytest

from core.errors import BadParams, Damaged
from tasks.tools.handover import HandedFile, Handover, NoHandover


@pytest.fixture
def handover(tmp_path: Path) -> Handover:
    return Handover(f"file://{tmp_path / 'shared'}", "mine")


def put(handover: Handover, tmp_path: Path, content: bytes) -> HandedFile:
    (tmp_path / "given").write_bytes(content)
    return handover.put(tmp_path / "given", "objects")


def test_a_file_is_found_by_its_content(handover: Handover, tmp_path: Path) -> None:
    content = put(handover, tmp_path, b"abc")
    # SHA-256 of "abc", FIPS 180-2, appendix B.1
    assert content.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert content.bytes == 3
    handover.get(content, "objects", tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").read_bytes() == b"abc"
    [stored] = (tmp_path / "shared" / "mine" / "objects").iterdir()
    assert stored.name == content.sha256


def test_a_half_written_file_is_written_again(handover: Handover, tmp_path: Path) -> None:
    content = put(handover, tmp_path, b"abc")
    stored = tmp_path / "shared" / "mine" / "objects" / content.sha256
    stored.write_bytes(b"ab")
    put(handover, tmp_path, b"abc")
    assert stored.read_bytes() == b"abc"


def test_a_file_with_other_content_is_refused_and_removed(handover: Handover, tmp_path: Path) -> None:
    content = put(handover, tmp_path, b"abc")
    (tmp_path / "shared" / "mine" / "objects" / content.sha256).write_bytes(b"abd")
    with pytest.raises(Damaged, match="was damaged"):
        handover.get(content, "objects", tmp_path / "got")
    assert not (tmp_path / "got").exists()
    with pytest.raises(Damaged, match="is missing"):
        handover.get(content, "objects", tmp_path / "got")


def test_a_file_of_another_size_is_refused_before_it_is_fetched(handover: Handover, tmp_path: Path) -> None:
    content = put(handover, tmp_path, b"abc")
    with pytest.raises(Damaged, match="it had 3 bytes, not 2"):
        handover.get(content.model_copy(update={"bytes": 2}), "objects", tmp_path / "got")
    assert not (tmp_path / "got").exists()


@pytest.mark.parametrize("digest", ["../../victim", "/victim", "A" * 64, "a" * 63, f"{'a' * 64}\n"])
def test_what_is_no_digest_names_no_file(digest: str) -> None:
    with pytest.raises(Damaged, match="sha256"):
        HandedFile.from_json({"sha256": digest, "bytes": 3})


@pytest.mark.parametrize("name", ["../victim", "a/../../victim", "/victim", "", "a//b", "./a", "a\\b", "a\0b"])
def test_a_name_outside_is_refused_and_nothing_is_read_or_removed(
    handover: Handover, tmp_path: Path, name: str
) -> None:
    victim = tmp_path / "shared" / "victim"
    victim.parent.mkdir()
    victim.write_text("{}")
    for act in (handover.read, handover.drop, lambda name: handover.write(name, 1)):
        with pytest.raises(Damaged, match="is no name below it"):
            act(name)
    with pytest.raises(Damaged, match="is no name below it"):
        handover.get(HandedFile(sha256="a" * 64, bytes=1), name, tmp_path / "got")
    with pytest.raises(Damaged, match="is no name below it"):
        Handover(f"file://{tmp_path / 'shared'}", name or "..")
    assert victim.read_text() == "{}"


@pytest.mark.parametrize("written", [b"{", b"\xff"])
def test_a_value_that_cannot_be_read_is_damaged(handover: Handover, tmp_path: Path, written: bytes) -> None:
    handover.write("a.json", 1)
    (tmp_path / "shared" / "mine" / "a.json").write_bytes(written)
    with pytest.raises(Damaged, match=r"a\.json is no"):
        handover.read("a.json")


def test_values_have_names_and_are_replaced(handover: Handover, tmp_path: Path) -> None:
    assert handover.read("a/b.json") is None
    for value in ({"one": 1}, {"two": [2.5, None]}):
        handover.write("a/b.json", value)
        assert handover.read("a/b.json") == value
    assert [path.name for path in (tmp_path / "shared" / "mine" / "a").iterdir()] == ["b.json"]
    assert handover.folders() == ["a"]
    handover.drop("a")
    handover.drop("a")
    assert handover.folders() == []


def test_a_folder_that_works_passes_the_check_and_stays_empty(handover: Handover, tmp_path: Path) -> None:
    handover.check()
    assert list((tmp_path / "shared" / "mine").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NoHandover, match=r"handover file://.*/file/x cannot be written .*versioning\.handover"):
        Handover(f"file://{tmp_path}/file/x").check()


@pytest.mark.parametrize("url", ["memory://shared", "nothing://x"])
def test_a_url_that_no_other_process_could_read_is_refused(url: str) -> None:
    with pytest.raises(BadParams, match=r"versioning\.handover"):
        Handover(url)


def test_its_messages_hide_secrets(tmp_path: Path) -> None:
    assert Handover(f"file://{tmp_path}/x?token=abcdefgh").url.endswith("?token=***")
