"""Writes the pages of docs/reference from the docstrings of the library."""
