"""Draw R of Kuramoto's mean field over the coupling, beside theory.

``python docs/figures/order_parameter.py [FILE] [OSCILLATORS] [SECONDS]`` needs the extra ``plot``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import numpy as np

from observatory.extras import require
from observatory.reference.kuramoto import integrate, stationary_order_parameter

FIGURE = Path(__file__).with_suffix(".svg")
HALF_WIDTH = 0.5
COUPLINGS = np.round(np.linspace(0.0, 4.0, 33), 3)


def draw(figure_file: Path, oscillators: int, duration: float) -> None:
    """Integrate a world for each coupling, and draw the mean of R over the last third."""
    require("docs/figures/order_parameter.py", "matplotlib")
    found = [
        integrate(oscillators, float(coupling), duration, 1, HALF_WIDTH).mean_after(
            2 * duration / 3
        )
        for coupling in COUPLINGS
    ]
    fine = np.linspace(0.0, 4.0, 801)
    theory = [stationary_order_parameter(float(coupling), HALF_WIDTH) for coupling in fine]
    with import_module("matplotlib").rc_context({"svg.hashsalt": "R", "svg.fonttype": "none"}):
        figure = import_module("matplotlib.figure").Figure(figsize=(7.0, 3.8))
        axes = figure.add_subplot()
        axes.plot(fine, theory, color="#888888", label="theory: √(1 - K_c/K)")
        axes.plot(COUPLINGS, found, "o", ms=4, color="#c0392b", label=f"{oscillators:,} phases")
        axes.set_xlabel("coupling K, radians per second (K_c = 1)")
        axes.set_ylabel("order parameter R")
        axes.set_ylim(-0.02, 1.0)
        axes.legend(frameon=False, loc="lower right")
        axes.spines[["top", "right"]].set_visible(False)
        figure.tight_layout()
        figure.savefig(figure_file, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    file, oscillators, seconds = [*sys.argv[1:], *("", "10000", "150")[len(sys.argv) - 1 :]]
    draw(Path(file or FIGURE), int(oscillators), float(seconds))
