"""The command `observatory`: all experiments and what belongs to them, each a command of its own.

``python -m observatory conway --pattern glider``
"""

from __future__ import annotations

from observatory.experiments.command import take_ctrl_c

if __name__ == "__main__":
    take_ctrl_c()  # before the imports below, which take a while

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from typing import Any

from cascade.errors import MissingExtraError
from observatory.experiments import console

# isort: split
import typer  # after the console, which says what is missing
from typer.core import TyperGroup

__all__ = ["COMMANDS", "app", "main"]

COMMANDS: Mapping[str, tuple[str, str]] = {
    "fireflies": ("run_fireflies", "Fireflies on a torus fall into step."),
    "bottleneck": ("run_bottleneck", "Agents think, queue for a few slots, and work."),
    "conway": ("run_conway", "Life whose cells are agents, checked in each generation."),
    "replay": ("run_replay", "Shows a recorded run again, at any speed, forwards and back."),
    "plot": ("run_plot", "Draws a recorded run: R, flashes, phases, lateness, slots."),
    "sweep": ("run_sweep", "Fireflies at many settings and seeds, on several cores."),
}
"""Each command: the module of this package whose `app` it is, and what it does in one line."""

PROGRAM = "observatory"
_console = console.Console(PROGRAM)


class LazyCommands(TyperGroup):
    """The commands of `COMMANDS`, of which only the one that is called is imported."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import a command and return it; None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        try:
            found = import_module(f"observatory.experiments.{module}")
        except MissingExtraError as error:
            ctx.fail(str(error))
        return typer.main.get_command(found.app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write what there is into a help text, without importing any of it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take the options before the command, if there is one."""
        if not args:
            ctx.fail(f"a command is missing, one of {', '.join(COMMANDS)}")
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that the arguments begin with; errors name it from then on."""
        name = args[0]
        if name not in COMMANDS:
            near = get_close_matches(name, COMMANDS, n=1, cutoff=0.0)[0]
            ctx.fail(
                f"there is no command {name!r}; the nearest is {near!r}, "
                f"and {PROGRAM} --help lists all"
            )
        console.called_as.set(f"{PROGRAM} {name}")
        return super().resolve_command(ctx, args)


app = console.application(cls=LazyCommands)
"""The command line as a typer application."""


@app.callback(help="Worlds of agents: experiments, and what belongs to them.")
def observatory() -> None:
    """Nothing comes before the commands."""


def main() -> None:
    """Run the command `observatory`; see `Console.main` for its exit codes."""
    _console.main(app)


if __name__ == "__main__":
    main()
