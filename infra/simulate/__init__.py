"""Realistic traffic from a seed, sent as a good client sends it, with a ledger of every answer."""
