"""A fuzzer of our own for what reads bytes of strangers: ``python3 run.py fuzz``."""
