"""Servers of our own, Redis and PostgreSQL, which end with whoever started them."""
