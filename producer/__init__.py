"""Puts work in and shows what came out; never imports torch or the worker."""
