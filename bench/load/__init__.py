"""The load generator: ten thousand clients in one process, faster than what it measures."""
