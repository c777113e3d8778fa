"""Programs that run in the harness's own Python, which need not have spoolq: each is one file that imports none of it.

Each prints one JSON object; what the harness prints meanwhile goes to stderr.
"""
