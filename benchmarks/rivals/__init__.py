"""What Nestor is measured against: each rival is a process of its own, warm before it is timed.

A rival reads the same files through the same recipe into the same artifact, and does nothing else:
no queue, no store, no checksum. Between its rounds it waits on its standard input.
"""
