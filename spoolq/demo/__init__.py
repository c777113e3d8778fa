"""The demonstration: a spool of its own, a runner, and files dropped into it as a stranger would drop them."""
