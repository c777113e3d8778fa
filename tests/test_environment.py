"""What an evaluation finds in its environment."""

import dataclasses
from pathlib import Path

from spoolq import environment
from spoolq.names import parse_running
from spoolq.recipes import Plan

RUNNING = parse_running("20261120T120730.123456Z-1b4e28ba-2fa1-4d2b-883f-0016d3cca427@host-a.gpu0.9f3c21ab.json")


def _build(store, base, plan=None, devices="0", **settings):
    plan = plan or Plan(["true"], Path("/"))
    settings = dataclasses.replace(store.settings, **settings)
    env, unset = environment.build(store, settings, base, plan, RUNNING, 2, devices)
    return {**{name: value for name, value in base.items() if name not in unset}, **env}


def test_what_a_launcher_left_is_gone_and_the_rest_stays(store):
    base = {
        "HOME": "/h",
        "RANK": "1",
        "MASTER_PORT": "29500",
        "SLURM_PROCID": "0",
        "SPOOLQ_LOCK_DIR": "/l",
        "MINE": "x",
    }
    env = _build(store, base, Plan(["true"], Path("/"), scrub=frozenset({"MINE"})))
    assert env["HOME"] == "/h"
    assert not {"RANK", "MASTER_PORT", "SLURM_PROCID", "SPOOLQ_LOCK_DIR", "MINE"} & set(env)


def test_settings_win_over_the_runner_and_the_recipe_over_the_settings(store):
    plan = Plan(["true"], Path("/"), env={"B": "recipe", "CUDA_VISIBLE_DEVICES": "7"})
    env = _build(store, {"A": "runner", "B": "runner"}, plan, env={"A": "settings", "B": "settings"})
    assert (env["A"], env["B"], env["CUDA_VISIBLE_DEVICES"]) == ("settings", "recipe", "7")


def test_the_slots_devices_are_shown_in_nvmls_order(store):
    assert _build(store, {})["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert _build(store, {}, devices="2,3")["CUDA_VISIBLE_DEVICES"] == "2,3"
    assert _build(store, {}, devices="")["CUDA_VISIBLE_DEVICES"] == ""
    assert _build(store, {"CUDA_VISIBLE_DEVICES": "5"}, devices=None)["CUDA_VISIBLE_DEVICES"] == "5"


def test_an_evaluation_learns_who_it_is_and_bears_the_claims_mark(store):
    env = _build(store, {})
    assert env["SPOOLQ_JOB_ID"] == RUNNING.stem.uuid and env["SPOOLQ_ATTEMPT"] == "2" and env["SPOOLQ_SLOT"] == "gpu0"
    assert Path(env["SPOOLQ_OUTPUT"]).parent == Path(env["SPOOLQ_RUN_DIR"]) and Path(env["SPOOLQ_SPOOL"]).is_absolute()
    assert environment.mark(RUNNING) == f"SPOOLQ_CLAIM={env['SPOOLQ_CLAIM']}"
