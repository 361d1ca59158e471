"""Compilation: from a network in torch to an artifact whose answers were checked.

The only part of Nestor, beside `worker.models`, that needs torch; no worker imports it.
"""
