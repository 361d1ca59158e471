"""What producer and worker must agree on; imports nothing else of Nestor."""
