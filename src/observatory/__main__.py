"""``python -m observatory`` is the command `observatory`."""

from observatory.experiments.command import observatory

if __name__ == "__main__":
    observatory()
