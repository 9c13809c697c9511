"""Records: an experiment kept in a file while it runs, and what can be made of it afterwards."""
