"""spoolq: a directory tree is the queue."""
