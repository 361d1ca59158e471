"""Takes work out: one process bound to one device."""
