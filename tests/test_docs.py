"""Pages that the code writes are those that are there; `make docs` writes them anew."""

from cli.display.knobs import params_page
from cli.display.metrics import metrics_page
from cli.reference import cli_page
from core.nested import flat
from tasks.rounds.params import RoundSettings
from tasks.state.workspace import PROJECT


def test_the_page_of_knobs_is_what_the_classes_say() -> None:
    assert (PROJECT / "docs/params.md").read_text(encoding="utf-8") == params_page()


def test_the_page_of_knobs_has_all_of_them() -> None:
    page = (PROJECT / "docs/params.md").read_text(encoding="utf-8")
    named = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    values = RoundSettings().plain()
    plugged = [values.pop("policy"), values["vote"].pop("annotator"), *values["ingest"]["sources"]]
    for section, group in (("evaluate", "evals"), ("verdict", "gates"), ("watch", "guards")):
        plugged += values[section].pop(group).values()
        assert f"{section}.{group}" in named
    names = {name for knobs in plugged for name in flat(knobs) if name != "use"}
    assert names | {name for name, value in flat(values).items() if value != {}} <= named


def test_a_line_has_type_bounds_default_and_sentence() -> None:
    lines = (PROJECT / "docs/params.md").read_text(encoding="utf-8").splitlines()
    assert any(line.startswith("| `sft.epochs` | whole number, ≥ 1 | `3` | ") for line in lines)


def test_the_page_of_commands_is_what_help_says() -> None:
    assert (PROJECT / "docs/cli.md").read_text(encoding="utf-8") == cli_page()


def test_the_page_of_metrics_is_made_of_their_declarations() -> None:
    assert (PROJECT / "docs/metrics.md").read_text(encoding="utf-8") == metrics_page()
