"""Write ``jobs.json`` and ``resources.json`` in the original's layout: indent 2, each file whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from spoolq.files import Disk
from spoolq.generate.refusals import Refused
from spoolq.names import token


def check_targets(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raise Refused when an output would replace an input or the other output."""
    seen = {os.path.realpath(path) for path in inputs}
    for path in outputs:
        real = os.path.realpath(path)
        if real in seen:
            raise Refused(f"{path} is named twice and would be overwritten. Give the output another name.")
        seen.add(real)


def write_all(disk: Disk, documents: Mapping[Path, Any]) -> None:
    """Replace every file by its document, in the order given; a symbolic link stays one. Raises Refused.

    CRASH: before the first rename nothing has changed but for hidden files ``.NAME.TOKEN``; after it the first file is
    new and the next still old. The same command once more makes both what they should be.
    """
    ready: dict[Path, Path] = {}
    at = Path()
    try:
        for at, document in documents.items():
            target = Path(os.path.realpath(at))
            temporary = target.with_name(f".{target.name}.{token(8)}")
            disk.write_new(temporary, json.dumps(document, indent=2).encode())
            ready[temporary] = at
        for temporary, at in ready.items():
            disk.rename(temporary, Path(os.path.realpath(at)))
        disk.sync_directory(*(temporary.parent for temporary in ready))
    except OSError as error:
        raise Refused(f"{at} cannot be written: {error.strerror}. Mend that, then try again.") from None
    finally:
        for temporary in ready:
            with contextlib.suppress(OSError):
                disk.unlink(temporary)  # gone, unless something failed
