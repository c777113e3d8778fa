"""Where a run takes place: its folder, the installation that is measured, and a clean environment."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path

from benchmarks.clockwork import Clockwork

CHECKOUT = Path(__file__).parent.parent
#: What is scrubbed: a start that may not write or read .pyc files, or that profiles itself, is nobody's.
_SCRUBBED = ("PYTHON", "SPOOLQ_", "TS_", "NQDIR", "TMPDIR")

BARE = '''\
"""A typer application with one command, as typer's own first page has it: what a start costs before any work."""

import typer

app = typer.Typer()


@app.command()
def hello(name: str = "world") -> None:
    print(f"Hello {name}")


def main() -> None:
    app()
'''


class Bed:
    """The folder of one run, and the Python whose installed spoolq is measured.

    *python* None makes a virtual environment in *venv_at* (a folder of the run, if None) and installs the checkout
    there as a wheel, with its extras `bench` and `server`. *quick* makes every figure small: for a look, not for a
    claim. *share* is the share of a full run's rounds that is done.
    """

    def __init__(
        self, folder: Path, *, python: Path | None, venv_at: Path | None = None, quick: bool = False, share: float = 1.0
    ) -> None:
        self.folder, self.quick, self.share = folder, quick, share
        folder.mkdir(parents=True, exist_ok=True)
        self.python = python or install(venv_at or folder / "venv")
        self.bin = self.python.parent
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(_SCRUBBED)}
        self.env |= {"SPOOLQ_LOCK_DIR": str(folder / "locks"), "PATH": f"{self.bin}:{os.environ['PATH']}"}
        self.clockwork = Clockwork(folder / "clockwork")
        self.bare = self._install_bare()
        self._folders = itertools.count()

    def fresh(self, name: str) -> Path:
        """A new, empty folder."""
        path = self.folder / f"{name}-{next(self._folders)}"
        path.mkdir()
        return path

    def script(self, name: str, module: str) -> list[str]:
        """The console script *name* of the installation; `-m MODULE` where there is none."""
        script = self.bin / name
        return [str(script)] if script.exists() else [str(self.python), "-m", module]

    def scaled(self, full: int, quick: int) -> int:
        """How many, in a full run and in a quick one."""
        return quick if self.quick else full

    def rounds(self, full: int, quick: int) -> int:
        """How many rounds; two at least, unless it is a quick run."""
        return quick if self.quick else max(2, round(full * self.share))

    def close(self) -> None:
        """Close the clockwork; the folder is the caller's to remove."""
        self.clockwork.close()

    def _install_bare(self) -> list[str]:
        """A console script like the one pip makes, for an application that does nothing."""
        home = self.folder / "bare"
        home.mkdir()
        (home / "bare_typer.py").write_text(BARE, encoding="utf-8")
        script = home / "bare"
        body = "import sys\nfrom bare_typer import main\nif __name__ == '__main__':\n    sys.exit(main())\n"
        script.write_text(f"#!{self.python}\n{body}", encoding="utf-8")
        script.chmod(0o755)
        subprocess.run([self.python, "-m", "compileall", "-q", str(home)], env=self.env, check=True)
        return [str(script)]


def install(at: Path) -> Path:
    """A virtual environment at *at* with the checkout in it, as a wheel, compiled; its Python."""
    python = at / "bin" / "python"
    if not python.exists():
        venv.create(at, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        try:
            subprocess.run([*pip, f"{CHECKOUT}[bench,server]"], check=True)
        except subprocess.CalledProcessError:
            shutil.rmtree(at)
            raise SystemExit(
                f"cannot install {CHECKOUT}[bench,server] into {at}: see pip above. Give --python PATH of one."
            ) from None
    else:
        again = ["--no-deps", "--force-reinstall", str(CHECKOUT)]
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *again], check=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(at), "platbase": str(at)})
    subprocess.run([python, "-m", "compileall", "-q", packages], check=False)
    return python
