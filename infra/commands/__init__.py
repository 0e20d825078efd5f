"""The commands of `convergio`, a module each. They import what is heavy only once they run."""
