"""What Cascade costs, beside the least that Python itself can do the same work with.

``python -m benchmarks --quick`` takes about a minute, ``python -m benchmarks`` runs the full forms,
``python -m benchmarks NAME...`` only some of them.
"""
