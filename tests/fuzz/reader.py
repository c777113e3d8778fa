"""An atheris target: `python -m tests.fuzz.reader -max_total_time=30 [CORPUS]`. The first fault ends it."""

import sys

import atheris

with atheris.instrument_imports(include=["spoolq"]):
    from tests.spooltest.reading import read, read_name


def one_input(data: bytes) -> None:
    """One file and one name."""
    read(data)
    read_name(data[:256].decode("utf-8", "surrogateescape"))


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
