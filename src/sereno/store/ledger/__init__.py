"""The ledger: orders, fills and positions, and every other record that must not be lost.

One module an aggregate, plain functions over a transaction:

    ledger = open_ledger(ledger_url(settings.ledger, settings.paths.ledger_file))
    with ledger.begin() as tx:
        orders.add(tx, order)
"""

from sereno.store.ledger.columns import Tx
from sereno.store.ledger.door import Ledger
from sereno.store.ledger.opening import ledger_url, open_ledger

__all__ = ["Ledger", "Tx", "ledger_url", "open_ledger"]
