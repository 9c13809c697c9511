"""Visualization: an experiment as a picture, in a terminal, in a file, and as a recording."""

from observatory.extras import require

require("observatory.visualization", "numpy")
