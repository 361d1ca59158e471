"""Scripts that train the networks Nestor ships; not part of the wheel."""
