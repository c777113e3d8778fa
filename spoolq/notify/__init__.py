"""Tell people and programs what became of jobs, by hooks that only the operator's ``spoolq.toml`` names.

A watcher with hooks keeps a `lookout`: it sees that jobs have ended, that the queue is empty, or that a job stands
still, and starts a `courier`, a short-lived process, with what it saw. The courier marks each notice as its own, runs
the hook with a time limit, and writes what came of it into the job's history. Without hooks nothing here is imported.
"""
