"""The ledger for staff, on the stock admin: every page writes by the same ways as everybody else.

One module per room, as the models have. Each registers what it shows.
"""

from ledger.admin import accounts, credit, notices, rules, transactions

__all__ = ["accounts", "credit", "notices", "rules", "transactions"]
