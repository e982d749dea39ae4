"""Revisions of the ledger's schema, newest last; each goes up and down."""
