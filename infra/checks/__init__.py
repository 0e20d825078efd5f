"""Checks of what is deployed that take tools of their own; each prints `name: passed`, `failed` or `could not run`."""
