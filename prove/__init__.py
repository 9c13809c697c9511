"""Proofs that take long: kept mutants, each a defect that some test must find."""
