from benchmarks.memory import computed
from tasks.state.workspace import PROJECT


def test_the_table_of_the_page_is_what_is_computed() -> None:
    page = (PROJECT / "docs/engine.md").read_text(encoding="utf-8")
    assert f"\n\n{computed()}\n\n" in page, "replace it with the output of `python -m benchmarks.memory --table`"
