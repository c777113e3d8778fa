"""Whether more or less of a metric is better: by its name, or as the operator declares it."""

from __future__ import annotations

import re
from collections.abc import Collection
from fnmatch import fnmatchcase

#: Words of metrics of which less is better; a word ends where its letters end, so `ter` is not in `iterations`.
_LESS = re.compile(
    r"(?<![a-z])(?:loss|ppl|perplexity|wer|cer|ter|mae|mse|rmse|errors?|err|brier|nll|fid|latency|toxicity"
    r"|bits_per_byte|bpb)(?![a-z])",
    re.IGNORECASE,
)


def lower_is_better(metric: str, declared: Collection[str] = ()) -> bool:
    """Whether less of *metric* is better; *declared* are names or patterns (``turns_*``) of such metrics.

    The filter that a harness appends (``wer,none``) is not looked at.
    """
    name = metric.partition(",")[0]
    return bool(_LESS.search(name)) or any(fnmatchcase(name, pattern) for pattern in declared)


def word(lower: bool) -> str:
    """The direction in a word, for a column."""
    return "lower" if lower else "higher"
