"""What a warm parent imports for a harness: whatever one of its evaluations would import, by its request.

A module whose name ends in ``?`` is imported where it can be: not every installation has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spoolq.files import read_regular

_CONFIG_LIMIT = 1 << 20
_LM_EVAL = ("lm_eval.__main__", "lm_eval.evaluator", "lm_eval.tasks", "lm_eval.loggers", "pytablewriter?")
#: What `transformers` puts off until a model is loaded, which is where most of a small job's time goes.
_TRANSFORMERS = (
    "transformers.modeling_utils?",
    "transformers.generation.utils?",
    "transformers.models.auto.modeling_auto?",
    "transformers.models.auto.tokenization_auto?",
)
#: Models of lm-eval's that are `transformers` models in this process.
_IN_PROCESS = ("hf", "hf-auto", "huggingface")
_LMMS_EVAL = (
    "lmms_eval.evaluator",
    "lmms_eval.tasks",
    "lmms_eval.loggers",
    "lmms_eval.api.metrics?",
    "lmms_eval.cli.dispatch?",
    "lmms_eval.cli.power_utils?",
)


def of_lm_eval(request: Mapping[str, Any]) -> tuple[str, ...]:
    """The modules for an lm-eval request: with a local model, also those of its architecture."""
    if request["model"] not in _IN_PROCESS:
        return _LM_EVAL
    named = (request.get("model_args") or {}).get("pretrained")
    return (*_LM_EVAL, "lm_eval.models.huggingface", *_TRANSFORMERS, *_architecture(named))


def of_lmms_eval(request: Mapping[str, Any]) -> tuple[str, ...]:
    """The modules for an lmms-eval request; none for several GPUs, where a launcher starts the processes."""
    return _LMMS_EVAL if request["num_gpus"] <= 1 else ()


def _architecture(model: Any) -> tuple[str, ...]:
    """The modules of the architecture that the ``config.json`` of a model in a folder names."""
    if not isinstance(model, str) or not model.startswith("/"):
        return ()
    try:
        data, _ = read_regular(Path(model, "config.json"), _CONFIG_LIMIT)
        name = json.loads(data)["model_type"]
    except (OSError, ValueError, KeyError, TypeError):  # the harness will say what is wrong with it
        return ()
    if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        return ()
    return (f"transformers.models.{name}.modeling_{name}?",)
