"""Merge a sharded checkpoint by lmms-engine: ``python -c SOURCE JSON``, with the fields of a MergeRequest, or null.

Prints `merged_path`; or `error` and its `kind`, `absent` when there is no lmms-engine. With null it only says that, or
nothing.
"""

import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any


def merge(asked: "dict[str, Any] | None") -> dict[str, Any]:
    """What is printed."""
    try:
        merger = importlib.import_module("lmms_engine.merger").FSDP2Merger
    except (ImportError, AttributeError) as error:
        return {"kind": "absent", "error": str(error)}
    if asked is None:
        return {}
    target = Path(asked["output_path"]) if asked["output_path"] else None
    try:
        made = merger(checkpoint_type=asked["checkpoint_type"]).merge(
            Path(asked["checkpoint_path"]), output_path=target
        )
    except FileNotFoundError as error:
        return {"kind": "missing", "error": str(error)}
    except ValueError as error:
        return {"kind": "invalid", "error": str(error)}
    except ImportError as error:
        return {"kind": "import", "error": str(error)}
    except Exception as error:
        return {"kind": "other", "error": str(error)}
    return {"merged_path": str(made)}


if __name__ == "__main__":
    told = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    json.dump(merge(json.loads(sys.argv[1])), told)
    told.flush()
    os._exit(0)
