"""GPUs: what the runners of this host will find, and which of them no job gets."""

from __future__ import annotations

from spoolq.doctor.finding import Finding, count, fault, note, ok, warning
from spoolq.doctor.patient import Patient
from spoolq.errors import SettingsInvalid, SpoolUnusable
from spoolq.gpus import DriverSilent, Gpu, Look, NoDriver, provider
from spoolq.gpus.need import size
from spoolq.gpus.quarantine import standing
from spoolq.gpus.slots import slots
from spoolq.gpus.strangers import strangers
from spoolq.lock import lock_directory


def check_gpus(patient: Patient) -> list[Finding]:
    """Ask as a runner will, within `probe_timeout`."""
    section = patient.settings.gpus
    try:
        seen = provider(section).look()
    except (NoDriver, DriverSilent, SettingsInvalid) as error:
        return [
            fault(
                "GPUs",
                str(error),
                "Jobs that want a GPU wait; `spoolq run` does not start without `[slots]` or --slots.",
                'Mend the driver, or set `provider = "none"` in [gpus] to run without.',
                provider=section.provider,
            )
        ]
    said = [warning("GPU", sentence, "No job gets it.", "See `nvidia-smi` and `dmesg`.") for sentence in seen.faults]
    if not seen.gpus:
        where = "no driver found" if section.provider == "auto" else f"provider {section.provider}"
        return [ok("GPUs", f"none: {where}", provider=section.provider, gpus=0), *said]
    made = ", ".join(patient.settings.slots or slots(section, _Seen(seen))[0])
    cards = sum(gpu.parent is None for gpu in seen.gpus)
    whole = ok("GPUs", f"{count(cards, 'GPU')}, slots {made}", provider=section.provider, gpus=cards, slots=made)
    return [whole, *map(_judge, seen.usable), *said]


class _Seen:
    """A provider that has looked already."""

    def __init__(self, seen: Look) -> None:
        self._seen = seen

    def look(self) -> Look:
        """The same once more."""
        return self._seen


def _judge(gpu: Gpu) -> Finding:
    memory = "memory not told"
    if gpu.total_mib is not None and gpu.free_mib is not None:
        memory = f"{size(gpu.free_mib)} of {size(gpu.total_mib)} free"
    others = strangers(gpu)
    place = str(gpu.index) if gpu.index is not None else "MIG"
    words = f"{place}: " + ", ".join(filter(None, (gpu.name, gpu.uuid, memory)))
    numbers = {"uuid": gpu.uuid, "free_mib": gpu.free_mib, "total_mib": gpu.total_mib, "utilisation": gpu.utilisation}
    if others:
        return note("GPU", f"{words}; {others}", "A job waits until enough of it is free.", "", **numbers)
    return ok("GPU", words, **numbers)


def check_quarantines(patient: Patient) -> list[Finding]:
    """GPUs whose memory did not come back after a job; nothing is said where there is none."""
    try:
        found = standing(lock_directory(patient.settings.lock_dir))
    except (SpoolUnusable, OSError):  # what slot locks are judged for
        return []
    return [
        warning(
            "quarantine",
            f"{quarantine.title} since {quarantine.since}: {quarantine.why}",
            "No job gets it.",
            f"It ends when the memory is back and a job asks; or rm {quarantine.path}",
            file=str(quarantine.path),
        )
        for quarantine in found
    ]
