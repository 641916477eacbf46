"""Pages that the code writes are those that are there; `make docs` writes them anew."""

from cli.__main__ import app
from cli.reference import COMMANDS, cli_page, params_yaml
from tasks.rounds.params import RoundSettings
from tasks.state.workspace import PROJECT


def test_params_yaml_shows_every_knob_with_its_default() -> None:
    assert (PROJECT / "params.yaml").read_text(encoding="utf-8") == params_yaml(RoundSettings(policy={"use": "ppo"}))


def test_the_page_of_commands_is_what_help_says() -> None:
    assert (PROJECT / "docs/cli.md").read_text(encoding="utf-8") == cli_page()


def test_the_page_of_commands_has_all_of_them() -> None:
    own = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    assert {words.split()[0] for words in COMMANDS} == own | {group.name for group in app.registered_groups}
