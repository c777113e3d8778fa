"""The hooks of ``[notify]``: whether each could do its work here, without telling anybody anything."""

from __future__ import annotations

import json
import shutil
import subprocess

from spoolq.doctor.finding import Finding, count, ok, warning
from spoolq.doctor.patient import Patient
from spoolq.errors import SettingsInvalid
from spoolq.notify import webhook
from spoolq.notify.hooks import Hook, read_hooks
from spoolq.notify.ways import private_lines, program, urls_of

#: apprise takes seconds to import from a cold disk.
_IMPORT_S = 60.0
_BREAKS = "That hook will tell nobody; jobs are not concerned."


def check_hooks(patient: Patient) -> list[Finding]:
    """Programs that are there, files that can be read by nobody else, URLs that mean something."""
    if not patient.settings.notify.hooks:
        return []
    try:
        hooks = read_hooks(patient.settings)
    except SettingsInvalid as error:
        return [warning("hooks", str(error), "`spoolq run` does not start.", "Mend spoolq.toml.")]
    faults = {hook.name: said for hook in hooks if (said := why_not(hook))}
    found = [warning("hooks", f"{name}: {said}", _BREAKS, _step(name)) for name, said in faults.items()]
    if patient.store.shared and (open_ones := [hook.name for hook in hooks if hook.urls]):
        found.append(
            warning(
                "hooks",
                f"{', '.join(open_ones)}: the URL stands in spoolq.toml",
                "Every member of this shared spool can read it, with any secret that is in it.",
                "Put it into a file of mode 0600 and name that: `webhook_file`, `apprise_file`.",
            )
        )
    return found or [ok("hooks", f"{count(len(hooks), 'hook')}, and each can run", hooks=len(hooks))]


def _step(name: str) -> str:
    return f"Mend it, then try it: `spoolq notify test {name}`."


def why_not(hook: Hook) -> str:
    """Why a hook cannot work on this host, as this user; "" when nothing speaks against it."""
    if hook.way == "command":
        return "" if shutil.which(hook.command[0]) else f"there is no program {hook.command[0]}"
    try:
        urls = urls_of(hook)
        if hook.secret_file is not None:
            private_lines(hook.secret_file)
    except SettingsInvalid as error:
        return str(error)
    if hook.way == "webhook":
        wrong = [(number, said) for number, url in enumerate(urls, 1) if (said := webhook.check_url(url))]
        return f"URL number {wrong[0][0]}: {wrong[0][1]}" if wrong else ""
    return _ask_apprise(hook, urls)


def _ask_apprise(hook: Hook, urls: list[str]) -> str:
    """In a process of its own, as when it is told something."""
    order = json.dumps({"urls": urls, "check": True}).encode()
    try:
        asked = subprocess.run(program(hook), input=order, capture_output=True, timeout=_IMPORT_S, check=False)
    except subprocess.TimeoutExpired:
        return f"apprise did not answer within {_IMPORT_S:g} s"
    said = asked.stdout.decode("utf-8", "replace").strip()
    return "" if asked.returncode == 0 else said or f"apprise ended with exit code {asked.returncode}"
