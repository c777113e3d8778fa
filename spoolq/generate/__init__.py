"""From challenge submissions to the jobs and resource pools of an evaluation, and what has come of them."""
