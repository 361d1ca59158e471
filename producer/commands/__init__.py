"""The bodies of the `nestor` commands; `producer.cli` declares their options."""
