"""Data files that ship with Nestor."""
