"""What a client knows: a snapshot, and what the events after it have changed.

It follows the rules that the protocol gives to clients, and no others: the highest ``version`` of a row wins, an event
applied twice changes nothing, what an account's sight takes away goes with it, what comes into sight is fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tests.clients import Frame

Row = dict[str, Any]
Parts = Mapping[str, Any]
"""Snapshots by the name of what they hold: accounts, transactions, payees, rules, credit, notices."""


class Shelf:
    """Rows of one kind by id, each in its newest version, and the ids of those that are gone."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self._gone: dict[str, int] = {}

    def put(self, row: Row, action: str) -> bool:
        """Keep the row unless a newer one, or its end, is known."""
        gone = self._gone.get(row["id"], -1)
        # What moved to another audience is deleted here and created there, in one and the same version.
        if gone > row["version"] or (gone == row["version"] and action != "created"):
            return False
        if row["id"] in self.rows and self.rows[row["id"]]["version"] >= row["version"]:
            return False
        self.rows[row["id"]] = row
        return True

    def remove(self, id: str, version: int) -> None:
        """Forget a row, unless a newer one is known."""
        if id in self.rows and self.rows[id]["version"] > version:
            return
        self.rows.pop(id, None)
        self._gone[id] = version


class Replica:
    """One client's state. ``wanted`` are accounts that came into sight: their transactions are still to be fetched."""

    def __init__(self, parts: Parts) -> None:
        self.accounts, self.transactions, self.payees, self.rules = (Shelf() for _ in range(4))
        self.balances: dict[str, tuple[int, str, str]] = {}
        self.credit: tuple[int, str] = (0, "")
        self.notices: dict[str, Row] = {}
        self.wanted: set[str] = set()
        self._load(parts)

    def apply(self, event: Frame) -> None:
        """Take in one event of the wire; one that says nothing of what is kept here changes nothing."""
        data = event["data"]
        match event["type"]:
            case "TransactionUpdate":
                self._update(self.transactions, data["transaction_id"], data)
            case "PayeeUpdate":
                self._update(self.payees, data["payee_id"], data)
            case "RuleUpdate":
                self._update(self.rules, data["rule_id"], data)
            case "AccountUpdate":
                self._update_account(data)
            case "AccountBalanceUpdate":
                known = self.balances.get(data["account_id"], (0, "", ""))
                new = data["version"], data["balance"], data["available_balance"]
                self.balances[data["account_id"]] = max(known, new, key=lambda balance: balance[0])
            case "CreditBalanceUpdate":
                self.credit = max(self.credit, (data["version"], data["balance"]))
            case "Notification":
                self._notice(data)

    def add_transactions(self, account_id: str, rows: Iterable[Row]) -> None:
        """Take in those of an account that came into sight."""
        for row in rows:
            self.transactions.put(row, "fetched")
        self.wanted.discard(account_id)

    def lose_account(self, id: str) -> None:
        """Forget an account that is gone or out of sight, with its balance and all that hangs on it."""
        self.accounts.rows.pop(id, None)
        self.balances.pop(id, None)
        self.wanted.discard(id)
        self.lose_what_hangs_on(id)

    def lose_what_hangs_on(self, id: str) -> None:
        """Forget the transactions and rules of an account."""
        for shelf in (self.transactions, self.rules):
            shelf.rows = {key: row for key, row in shelf.rows.items() if row["account_id"] != id}

    def view(self) -> dict[str, Any]:
        """All that is known, to be compared."""
        names = {id: payee["name"] for id, payee in self.payees.rows.items()}
        return {
            "accounts": {
                id: row | {"balance": self.balances[id][1], "available_balance": self.balances[id][2]}
                for id, row in self.accounts.rows.items()
            },
            # The name stands with the payee; in the transaction it is as it was when that was last written.
            "transactions": {
                id: row | {"payee_name": names.get(row["payee_id"])} for id, row in self.transactions.rows.items()
            },
            "payees": self.payees.rows,
            "rules": self.rules.rows,
            "credit": self.credit,
            "notices": self.notices,
        }

    def _load(self, parts: Parts) -> None:
        for row in parts["accounts"]:
            self.accounts.put(row, "fetched")
            self.balances[row["id"]] = (0, row["balance"], row["available_balance"])
        for shelf, name in ((self.transactions, "transactions"), (self.payees, "payees"), (self.rules, "rules")):
            for row in parts[name]:
                shelf.put(row, "fetched")
        self.credit = parts["credit"]["version"], parts["credit"]["balance"]
        for row in parts["notices"]:
            self._notice(row | {"action": "created"})

    def _update(self, shelf: Shelf, id: str, data: Row) -> None:
        if data["action"] == "deleted":
            shelf.remove(id, data["data"]["version"])
        else:
            shelf.put(data["data"], data["action"])

    def _update_account(self, data: Row) -> None:
        id, row = data["account_id"], data["data"]
        self._update(self.accounts, id, data)
        if self.accounts.rows.get(id) is row and data["action"] == "created":
            # New to this topic: what happened to it on another may not have been heard, not even that something on it
            # was deleted. Only here the row's balance counts, as an account's other events may hold an older one than
            # the balance's own.
            self.lose_what_hangs_on(id)
            self.balances[id] = (0, row["balance"], row["available_balance"])
            self.wanted.add(id)
        if id not in self.accounts.rows:
            self.lose_account(id)

    def _notice(self, data: Row) -> None:
        row = {key: value for key, value in data.items() if key != "action"}
        if data["action"] == "deleted":
            self.notices.pop(row["notification_id"], None)
        else:
            self.notices[row["notification_id"]] = row
