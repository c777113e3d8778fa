"""The HTTP face: a stateless view of one spool. Everything that it knows is on disk; kill it when you like."""
