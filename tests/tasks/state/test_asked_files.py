"""The record of files with prompts."""

from collections.abc import Iterable
from pathlib import Path

from tasks.state import asked_files
from tasks.state.asked_files import AskedPrompts, WrittenPrompt
from tasks.state.workspace import Workspace

ANA, BO = (WrittenPrompt.of(f"shop:{name}", [f"Where is the parcel of {name}?"]) for name in ("ana", "bo"))


def counts(found: Iterable[AskedPrompts]) -> list[tuple[str, int]]:
    return [(prompts.file.path, prompts.number) for prompts in found]


def test_the_files_with_prompts_of_an_asker_are_known_without_the_name(workspace: Workspace) -> None:
    assert asked_files.read(workspace) == ()
    asked_files.add(workspace, Path("/a"), ["opt-in"], {"1": ANA, "2": ANA, "3": BO})
    asked_files.add(workspace, Path("/b"), ["opt-in", "it's fine"], {"3": BO})
    assert b"shop:ana" not in workspace.asked.read_bytes()
    assert counts(asked_files.of_asker(workspace, "shop:ana")) == [("/a", 2)]
    assert counts(asked_files.of_asker(workspace, "shop:bo")) == [("/a", 1), ("/b", 1)]
    assert counts(asked_files.without(workspace, ["1", "3"])) == [("/a", 1)]


def test_a_file_that_is_written_again_has_only_its_new_prompts(workspace: Workspace) -> None:
    asked_files.add(workspace, Path("/a"), ["opt-in"], {"1": ANA})
    asked_files.add(workspace, Path("/a"), ["opt-in"], {"3": BO})
    [file] = asked_files.read(workspace)
    assert file.answers.keys() == {"3"}
    assert asked_files.written(workspace) == {"1": ANA, "3": BO}, "a round may have collected the first"


def test_prompts_are_dropped_once_no_file_has_them(workspace: Workspace) -> None:
    asked_files.add(workspace, Path("/a"), ["opt-in"], {"1": ANA, "2": ANA})
    asked_files.add(workspace, Path("/a"), ["opt-in"], {"2": ANA, "3": BO})
    assert b"parcel" not in workspace.asked.read_bytes()
    asked_files.drop(workspace, ["1", "2", "4"])
    assert asked_files.written(workspace) == {"2": ANA, "3": BO}


def test_prompts_that_a_round_was_given_are_known_without_a_file(workspace: Workspace) -> None:
    asked_files.note(workspace, {})
    assert not workspace.asked.exists()
    asked_files.add(workspace, Path("/a"), ["opt-in"], {"1": ANA})
    asked_files.note(workspace, {"3": BO})
    assert asked_files.written(workspace) == {"1": ANA, "3": BO}
    assert list(asked_files.of_asker(workspace, "shop:bo")) == []
    asked_files.drop(workspace, ["1", "3"])
    assert asked_files.written(workspace) == {"1": ANA}


def test_the_sentence_has_the_command_with_its_consents(workspace: Workspace) -> None:
    asked_files.add(workspace, Path("/my prompts"), ["opt-in", "it's fine"], {"1": ANA})
    [prompts] = asked_files.of_asker(workspace, "shop:ana")
    command = """`rounds feedback asked '/my prompts' --consent opt-in --consent 'it'"'"'s fine'`"""
    assert (
        prompts.sentence == f"/my prompts has 1 of the prompts; write it again with {command}, and remove copies of it"
    )
