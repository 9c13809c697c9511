"""Proofs that take long: large sizes, and kept mutants, each a defect that a test must find."""
