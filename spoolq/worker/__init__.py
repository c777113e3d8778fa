"""`spoolq worker`: takes jobs from a server of the eval-jobqueue kind, and runs a command for each. Needs no spool."""
