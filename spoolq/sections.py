"""The tables of ``spoolq.toml``: ``[server]``, ``[jobqueue]``, ``[warm]``, ``[notify]``…. All times in seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from spoolq.durations import parse_duration, parse_mebibytes


class SectionInvalid(ValueError):
    """A table holds a key that there is not, or a value that does not fit; ``key`` is the culprit, if there is one."""

    def __init__(self, message: str, key: str | None = None) -> None:
        super().__init__(message)
        self.key = key


@dataclass(frozen=True, slots=True)
class ServerSection:
    """What `spoolq serve` is told by ``[server]``; its options on the command line win."""

    host: str = "127.0.0.1"
    port: int = 8000
    #: What a client must send as `Authorization: Bearer …`. Off loopback there must be one.
    token: str | None = None
    #: The same in a file that only the operator can read: its first line; a second one is `read_only_token`.
    token_file: str | None = None
    #: A token with which one may only look.
    read_only_token: str | None = None
    #: Names by which clients reach the server, beside those that it knows itself; a guard against DNS rebinding.
    allowed_hosts: list[str] = field(default_factory=list)
    #: Origins of other pages that may use the server from a browser: `https://lab.example`.
    allowed_origins: list[str] = field(default_factory=list)
    #: Recipes that requests over HTTP may use; None: all.
    recipes: list[str] | None = None
    #: Directories under which a request over HTTP may name `output_dir`; None: those of the setting `output_roots`.
    output_roots: list[str] | None = None
    #: Directories under which a request over HTTP may name `include_path`, or a task that is a file.
    include_roots: list[str] = field(default_factory=list)
    #: The largest body that is read, in bytes.
    max_body: int = 1 << 20
    #: Refused tokens from one address within `failure_window` after which it is refused for as long.
    max_failures: int = 20
    failure_window: float = 60.0
    #: In the lmms-eval dialect the oldest ended jobs beyond this many are no longer found; None: all are.
    max_completed_jobs: int | None = None
    #: The Python in which `/tasks` and `/models` are looked up, and `/merge` runs; None: that of the server.
    python: str | None = None


@dataclass(frozen=True, slots=True)
class JobqueueSection:
    """Remote workers and pools; the defaults are those of the original eval-jobqueue."""

    job_heartbeat_timeout: float = 3600.0
    resource_heartbeat_timeout: float = 1200.0
    job_sweep_interval: float = 60.0
    resource_sweep_interval: float = 10.0
    #: Between two lines of statistics.
    statistics_interval: float = 60.0


@dataclass(frozen=True, slots=True)
class GpusSection:
    """Which GPUs there are, and when one is free; see docs/gpus.md."""

    #: Who is asked: `auto`, `none`, `static`, `nvml`, `smi` or `file`.
    provider: str = "auto"
    #: Slots without `[slots]`: one with all GPUs (`single`), or one each (`per-gpu`).
    mode: str = "single"
    #: The GPUs that are ours, by index or UUID; empty: all, or those of our own CUDA_VISIBLE_DEVICES.
    devices: list[str] = field(default_factory=list)
    #: The file of the provider `file`.
    file: str | None = None
    #: What must be free of each GPU's memory before a job that does not say so itself: MiB, or a share as text.
    min_free_memory: float | str = "90%"
    #: How long a look may take before the driver counts as hung.
    probe_timeout: float = 10.0
    #: How long a GPU's memory may take to come back after a job.
    settle: float = 30.0


@dataclass(frozen=True, slots=True)
class WarmSection:
    """The fork server: warm parents, from which evaluations are forked; see docs/fork-server.md."""

    #: Whether there are any. They are used by recipes that name a `preload` only, and never for a lone job.
    enabled: bool = True
    #: How long a warm parent stays when no job uses it.
    idle: float = 300.0
    #: Evaluations that one of them starts, at most.
    max_jobs: int = 200
    #: How long it may take to answer with a child, before the evaluation is started as a program.
    start_timeout: float = 5.0
    #: How long its imports may take.
    preload_timeout: float = 180.0
    #: How often a job may be overtaken by those behind it that a warm parent is ready for; 0: strictly in order.
    affinity_window: int = 0


@dataclass(frozen=True, slots=True)
class BenchmarkSection:
    """The benchmark-run dialect."""

    #: The recipe that `POST /api/benchmark/start` starts.
    recipe: str = "orchestrator"
    #: From the stop signal to SIGKILL when a run is cancelled.
    grace: float = 2.0


@dataclass(frozen=True, slots=True)
class NotifySection:
    """What is told to whom when jobs end, stand still, or run out: limits here, and a table a hook."""

    #: How long a hook may take before it is killed, unless its own table says otherwise.
    timeout: float = 30.0
    #: Ends that are older are not told any more: after a first start, say, or a long rest.
    max_age: float = 3600.0
    #: Hooks that run at one time.
    at_once: int = 4
    #: A running job whose log has not grown for so long is `stuck`; None: logs are not looked at.
    quiet: float | None = None
    #: Name of a hook -> its table, as written: `spoolq.notify.hooks` checks it.
    hooks: dict[str, dict[str, Any]] = field(default_factory=dict)


Section = TypeVar("Section", ServerSection, JobqueueSection, GpusSection, WarmSection, BenchmarkSection, NotifySection)
_DURATIONS = {
    "timeout", "max_age", "quiet",
    "failure_window", "job_heartbeat_timeout", "resource_heartbeat_timeout", "job_sweep_interval",
    "resource_sweep_interval", "statistics_interval", "grace", "probe_timeout", "settle",
    "idle", "start_timeout", "preload_timeout",
}  # fmt: skip
_CHOICES = {
    "provider": ("auto", "none", "static", "nvml", "smi", "file"),
    "mode": ("single", "per-gpu"),
}
_TEXTS = {"file", "host", "token", "token_file", "read_only_token", "python", "recipe"}
_LISTS = {"devices", "allowed_hosts", "allowed_origins", "recipes", "output_roots", "include_roots"}


def read_section(kind: type[Section], value: Any) -> Section:
    """The table *value* as *kind*; raises SectionInvalid."""
    if not isinstance(value, dict):
        raise SectionInvalid("it must be a table")
    if kind is NotifySection:
        return _notify(value)  # type: ignore[return-value]
    return _read(kind, value)


def _notify(value: dict[str, Any]) -> NotifySection:
    """Every table in ``[notify]`` is a hook, everything else a limit."""
    hooks = {name: inner for name, inner in value.items() if isinstance(inner, dict)}
    if clash := sorted({setting.name for setting in fields(NotifySection)} & hooks.keys()):
        raise SectionInvalid("a hook cannot have the name of a setting; call it something else", clash[0])
    limits = _read(NotifySection, {name: inner for name, inner in value.items() if name not in hooks})
    return replace(limits, hooks=hooks)


def _read(kind: type[Section], value: dict[str, Any]) -> Section:
    known = [setting.name for setting in fields(kind) if setting.name != "hooks"]
    read = {}
    for key, inner in value.items():
        if key not in known:
            raise SectionInvalid(f"there is no such setting; known are {', '.join(known)}", key)
        read[key] = _value(key, inner)
    return kind(**read)


def _value(key: str, value: Any) -> Any:
    if key in _DURATIONS:
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            raise SectionInvalid(str(error), key) from None
        if seconds <= 0:
            raise SectionInvalid("it must be more than 0 s", key)
        return seconds
    if key in _CHOICES:
        if value not in _CHOICES[key]:
            raise SectionInvalid(f"it must be one of {', '.join(_CHOICES[key])}", key)
    elif key == "min_free_memory":
        return _floor(value, key)
    elif key in _TEXTS:
        if not isinstance(value, str) or not value:
            raise SectionInvalid("it must be a text in quotes, and not an empty one", key)
    elif key in _LISTS:
        if not isinstance(value, list) or not all(isinstance(inner, str) for inner in value):
            raise SectionInvalid("it must be a list of texts in quotes", key)
    elif key in _FLAGS:
        if type(value) is not bool:
            raise SectionInvalid("it must be true or false", key)
    elif type(value) is not int or not _LEAST.get(key, 1) <= value <= _MOST.get(key, 1 << 40):
        raise SectionInvalid(
            f"it must be a whole number from {_LEAST.get(key, 1)}{f' to {_MOST[key]}' if key in _MOST else ''}", key
        )
    return value


def _floor(value: Any, key: str) -> float | str:
    """A share such as ``90%``, or MiB."""
    if isinstance(value, str) and re.fullmatch(r"(100|\d{1,2}(\.\d+)?)%", value):
        return value
    try:
        return parse_mebibytes(value)
    except ValueError as error:
        raise SectionInvalid(f"{error}; or a share of the whole, 90%", key) from None


_FLAGS = {"enabled"}
_LEAST = {"affinity_window": 0}
_MOST = {"port": 65535}
