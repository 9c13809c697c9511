"""Experiments: whole worlds, with a command each."""

from observatory.extras import require

require("observatory.experiments", "numpy", "typer")
