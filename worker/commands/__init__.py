"""The subcommands of `nestor-worker`: options here, the work in the packages, imported lazily."""
