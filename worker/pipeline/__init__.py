"""From references to outcomes: fetch -> decode -> batch -> device, stages with bounded queues."""
