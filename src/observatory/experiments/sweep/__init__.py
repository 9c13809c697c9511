"""Sweeps: one experiment at many settings, in processes, and resumed where it was broken off."""

# A map of the package:
#
#   settings.py   what can be varied, under the names of the command line
#   axes.py       the values of one setting that is varied
#   plan.py       the whole sweep: its points, its runs, and where seeds come from
#   measure.py    one run, as a task for a process
#   store.py      the directory that keeps what is finished
#   running.py    what is missing, as a graph of Cascade
#   progress.py   how far it is
#   table.py      what came out, as tables
#   figure.py     what came out, as a picture
