"""Monitors: what is going on in a world of agents."""

from observatory.extras import require

require("observatory.monitors", "numpy")
