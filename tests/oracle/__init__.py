"""What the pipeline must show, computed by brute force from a ledger of answers.

Shares no code with the product: a second, slower way to the same numbers. Definitions are those of the contract:
windows (t - p, t], study time the sum of gaps that are not longer than five minutes between events of all categories
but error and performance, the first copy of an event counts.
"""

from tests.oracle.oracle import Event, Oracle, Session, read_ledger

__all__ = ["Event", "Oracle", "Session", "read_ledger"]
