"""`python -m spoolq`, and the command `spoolq`."""

from __future__ import annotations

import gc
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line.

    A sixth of a short verb would be spent on looking for garbage: while it starts, in what is made to stay, and when it
    ends, in what goes with the process anyway. While the verb itself runs the collector is on.
    """
    gc.disable()
    from spoolq.cli import main as run

    try:
        run()
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
