"""`rounds bench …`: measure parts of a round on this machine."""

from typing import TYPE_CHECKING, Annotated

import typer

from cli.app import Folder, Json, Overrides, Panel, group
from cli.display.console import console, grid, print_json

if TYPE_CHECKING:
    from tasks.rounds.bench import EngineComparison

bench = group("bench", "Measure parts of a round on this machine.", Panel.ANALYSIS)


@bench.command()
def engine(
    overrides: Overrides = None,
    prompts: Annotated[
        int | None,
        typer.Option("--prompts", min=1, help="Answers that are sampled at once; default: as many as in `policy`."),
    ] = None,
    folder: Folder = None,
    json: Json = False,
) -> None:
    """Time sampling in the process of a round against vLLM, and say which to use (sampler.engine)."""
    from tasks.rounds.bench import engines
    from tasks.state.choosing import current

    measured = engines(current(folder), overrides or [], prompts)
    if json:
        print_json(measured.to_json())
    else:
        _show(measured)


def _show(measured: "EngineComparison") -> None:
    out = console()
    table = grid("sampler", "start, s", "hand-over, s", "tokens", "tokens per s", "a round, minutes")
    for engine in measured.engines:
        speed, minutes = engine.speed, measured.seconds(engine) / 60
        times = f"{speed.start:.1f}", f"{speed.hand_over:.2f}"
        table.add_row(engine.name, *times, str(speed.tokens), f"{speed.rate:.1f}", f"{minutes:.1f}")
    out.print(table)
    out.print(
        f"A round samples at most {measured.tokens:,} tokens here, in three steps that each start a sampler, with "
        f"{measured.hand_overs} further hand-overs.",
        soft_wrap=True,
    )
    out.print(f"Faster for a round here: sampler.engine={measured.best}")
