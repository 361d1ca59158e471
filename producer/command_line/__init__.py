"""The options of the `nestor` commands, by subject; the bodies lie in `producer.commands`."""
