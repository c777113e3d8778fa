"""Speed, measured beside the machine's limits and beside other queues in the same run: `python -m benchmarks`."""
