"""Make a spool, or mend one that has lost a directory: `spoolq init`."""

from __future__ import annotations

import grp
import os
from pathlib import Path

from spoolq.errors import SpoolUnusable
from spoolq.layout import Layout
from spoolq.transitions import State

#: A commented settings file; every key at its default.
SETTINGS = """\
# spoolq settings. Every key is optional; what stands here in comments is the default.
# Durations: 90 (seconds), 15m, 2h30m, 7d.

# durability = "full"        # "process": no fsync; faster, survives kill -9 but no power cut
# settle = "10s"             # how long a dropped file that does not parse may rest (60s on a network mount)
# poll = "30s"               # the timer behind the watch (1s on a network mount)
# lock_timeout = "10s"
# heartbeat = "30s"
# heartbeat_timeout = "5m"   # then another host takes the job over (never under 3m on a network mount)
# grace = "10s"              # between the stop signal and SIGKILL
# timeout = "12h"            # wall-clock limit of an attempt; no limit by default
# max_attempts = 3
# retry_on = ["lost"]        # lost, exit, signal, timed_out, could_not_start, no_results
# backoff = "0s"             # before a second attempt; doubled before each further one, up to an hour
# default_recipe = "lmms-eval"
# lock_dir = "/run/lock/spoolq"   # slot locks: a directory of this host, common to all users and spools
# lower_is_better = []       # metrics of which less is better, beside those known by name: "turns_*"
# output_roots = []          # directories under which a request may name its own output_dir

# Shared spools only: who may use what.
# trusted = []               # users (names or uids) whose jobs may use every recipe
# open_recipes = []          # recipes that everybody's jobs may use
# open_priorities = ["normal", "low"]   # priorities that everybody's jobs may have

# [slots]                    # one runner each; the value is its CUDA_VISIBLE_DEVICES
# gpu0 = "0"
# gpu1 = "1"

# [env]                      # added to every evaluation's environment
# HF_HUB_OFFLINE = "1"

# [server]                   # `spoolq serve`; see docs/http.md
# host = "127.0.0.1"         # off loopback there must be a token
# port = 8000
# # token_file = "/etc/spoolq/token"   # mode 0600, one line; or token = "..." here
# # read_only_token = "..."            # with this one may only look
# allowed_hosts = []         # names by which clients reach it, beside localhost, its own and addresses
# allowed_origins = []       # pages of other sites that may use it: ["https://lab.example"]
# # recipes = ["lmms-eval"]            # what requests over HTTP may use; all by default
# # output_roots = ["/scores"]         # where they may name output_dir; as above by default
# include_roots = []         # where they may name include_path, or a file as a task
# max_body = 1048576         # bytes
# max_failures = 20          # refused tokens of one address within
# failure_window = "1m"      # after which it is refused for as long
# # max_completed_jobs = 100           # lmms-eval's routes find no more ended jobs than these; all by default
# # python = "/opt/lmms/bin/python"    # where /tasks and /models are looked up; its own by default

# [jobqueue]                 # remote workers and pools; see docs/workers.md
# job_heartbeat_timeout = "1h"
# resource_heartbeat_timeout = "20m"
# job_sweep_interval = "1m"
# resource_sweep_interval = "10s"
# statistics_interval = "1m"

# [gpus]                     # see docs/gpus.md
# provider = "auto"          # auto, none, static, nvml, smi, file
# mode = "single"            # without [slots]: one slot with all GPUs, or one each: per-gpu
# devices = []               # those that are ours, by index or UUID; all by default
# # file = "/run/gpus.json"  # of the provider `file`
# min_free_memory = "90%"    # free on each GPU before a job that does not say so itself: a share, or 40GiB
# probe_timeout = "10s"      # then the driver counts as hung
# settle = "30s"             # how long memory may take to come back after a job

# [warm]                     # see docs/fork-server.md
# enabled = true             # recipes with a `preload` are imported once, and forked for each job
# idle = "5m"                # a warm parent that nobody uses ends
# max_jobs = 200             # evaluations of one of them
# start_timeout = "5s"       # to answer with a child; then the evaluation starts as a program
# preload_timeout = "3m"     # for its imports
# affinity_window = 0        # how often those behind it, for whom one is warm, may overtake a job

# [benchmark]                # see docs/benchmark-run.md
# recipe = "orchestrator"
# grace = "2s"

# [notify]                   # see docs/notify.md
# timeout = "30s"            # how long a hook may take
# max_age = "1h"             # older ends are not told
# at_once = 4                # hooks that run at one time
# # quiet = "30m"                      # a log that has not grown for so long: stuck
# # [notify.mail]
# # on = ["failed", "idle", "stuck"]   # also: completed, cancelled, finished
# # command = ["mail", "-s", "{subject}", "me@lab.example"]

# [recipes.my-eval]          # see docs/recipes.md
# command = ["{python}", "/opt/eval.py", "--model", "{model}", "--out={output}"]
# [recipes.my-eval.parameters.model]
# type = "str"
# required = true
"""


def create(root: Path, shared: str | None = None) -> list[Path]:
    """Make the tree at *root*; returns what was missing. An existing spool keeps all that it has.

    *shared* names a group: `queued/` and `control/` become sticky drop boxes of it, the rest readable by it.
    Raises SpoolUnusable.
    """
    layout = Layout(root)
    gid = _group(shared) if shared else None
    try:
        made = [directory for directory in layout.directories() if not directory.is_dir()]
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for directory in made:
            directory.mkdir(exist_ok=True)
        if not layout.settings.exists():
            layout.settings.write_text(SETTINGS, encoding="utf-8")
        if gid is not None:
            _share(layout, gid)
    except OSError as error:
        where = error.filename or root
        raise SpoolUnusable(
            f"cannot make a spool at {root}: {error.strerror}: {where}. Choose a place that you may write to."
        ) from None
    return made


def _group(name: str) -> int:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise SpoolUnusable(
            f"cannot share a spool with {name!r}: there is no such group. See `getent group`."
        ) from None


def drop_boxes(layout: Layout) -> tuple[Path, ...]:
    """Where members of a shared spool may put files; `.tmp/` too, for a submit writes there first."""
    return layout.state(State.QUEUED), layout.control, layout.tmp


def shared_mode(layout: Layout, directory: Path) -> int:
    """The mode that a directory of a shared spool has."""
    return 0o3770 if directory in drop_boxes(layout) else 0o2750


def _share(layout: Layout, gid: int) -> None:
    """Setgid, so that what is made inside belongs to the group; sticky, so that only its owner takes a file out."""
    for directory in (layout.root, *layout.directories()):
        os.chown(directory, -1, gid)
        directory.chmod(shared_mode(layout, directory))
    os.chown(layout.settings, -1, gid)
    layout.settings.chmod(0o640)
