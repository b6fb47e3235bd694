"""Accounts, transactions, payees, rules and credits of families, and what they tell."""
