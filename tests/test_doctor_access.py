"""The tree as `init` makes it, and what is missing, closed, open or apart."""

import grp
import os
import pwd
import shutil
import stat

import pytest

from spoolq.create import create
from spoolq.doctor import access
from spoolq.doctor.patient import Patient
from spoolq.layout import PROBE
from tests.spooltest.users import NOBODY, needs_root, without_rights

GROUP = grp.getgrgid(os.getgid()).gr_name


@pytest.fixture
def patient(spool_path):
    return Patient(spool_path, "host-a")


@pytest.fixture
def shared(spool_path):
    create(spool_path, GROUP)
    return Patient(spool_path, "host-a")


def verdicts(found):
    return {finding.name: finding.verdict.value for finding in found}


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


class TestDirectories:
    def test_a_whole_tree(self, patient):
        assert verdicts(access.check_directories(patient)) == {"directories": "ok"}

    def test_one_that_is_gone_is_made_again(self, patient):
        # Given a spool that has lost two directories
        patient.layout.pools.rmdir()
        patient.layout.control.rmdir()
        # When it is looked at, Then that is a fault that names them
        (found,) = access.check_directories(patient)
        assert found.verdict == "fault" and found.numbers["missing"] == ["control", "pools"]
        # When it is mended, Then they are there
        assert found.mend() == "made control, pools"
        assert verdicts(access.check_directories(patient)) == {"directories": "ok"}

    def test_a_file_in_its_place_is_nobodys_to_remove(self, patient):
        # Given a file where a directory should be, When it is looked at, Then it is a fault that is not mended
        patient.layout.pools.rmdir()
        patient.layout.pools.write_text("mine")
        (found,) = access.check_directories(patient)
        assert found.verdict == "fault" and found.mend is None

    def test_no_spool_at_all(self, tmp_path):
        with pytest.raises(access.SpoolqError, match="it does not exist"):
            Patient(tmp_path / "none").check_is_spool()


class TestPrivateModes:
    def test_as_it_was_made(self, patient):
        (found,) = access.check_modes(patient)
        assert found.verdict == "ok" and "private" in found.measured and "0700" in found.measured

    def test_a_directory_that_its_owner_may_not_write_is_opened(self, patient):
        # Given a directory that lost a right, When it is looked at, Then that is a fault
        patient.layout.control.chmod(0o500)
        (found,) = access.check_modes(patient)
        assert found.verdict == "fault" and found.numbers["closed"] == ["control"]
        # When it is mended, Then only that right is added
        found.mend()
        assert mode(patient.layout.control) == 0o700
        assert verdicts(access.check_modes(patient)) == {"modes": "ok"}

    def test_others_may_look_in(self, patient):
        patient.root.chmod(0o755)
        assert verdicts(access.check_modes(patient)) == {"modes": "note"}

    def test_a_queue_that_everybody_can_write_is_told_and_left(self, patient):
        # Given a spool that others can reach and write, without a sticky bit
        patient.root.chmod(0o755)
        (patient.root / "queued").chmod(0o777)
        # When it is looked at, Then it is told, but nothing is closed that somebody may have meant
        (found,) = access.check_modes(patient)
        assert found.verdict == "warning" and found.numbers["opened"] == ["queued"] and found.mend is None

    def test_what_nobody_can_reach_is_not_open(self, patient):
        # Given an umask of 002, so that directories are the group's to write, behind a root that is the owner's alone
        for path in patient.layout.directories():
            path.chmod(0o775)
        assert verdicts(access.check_modes(patient)) == {"modes": "ok"}

    @needs_root
    def test_a_directory_of_somebody_else(self, patient):
        os.chown(patient.layout.runs, NOBODY, -1)
        (found,) = access.check_modes(patient)
        assert found.verdict == "warning" and found.numbers["foreign"] == ["runs"]


class TestSharedModes:
    def test_as_it_was_made(self, shared):
        (found,) = access.check_modes(shared)
        assert found.verdict == "ok" and "shared" in found.measured

    @pytest.mark.parametrize(
        ("name", "wrong", "right", "verdict"),
        [
            ("queued", 0o2770, 0o3770, "fault"),  # no sticky bit
            ("control", 0o1770, 0o3770, "warning"),  # no setgid
            ("running", 0o2770, 0o2750, "fault"),  # members could move claims
            ("failed", 0o0750, 0o2750, "warning"),
            ("completed", 0o2700, 0o2750, "warning"),  # members could not read
            (".", 0o2755, 0o2750, "warning"),
        ],
    )
    def test_a_wrong_mode_is_told_and_restored(self, shared, name, wrong, right, verdict):
        # Given a directory with another mode
        path = shared.root / name
        path.chmod(wrong)
        # When it is looked at, Then it is told with both modes
        (found,) = access.check_modes(shared)
        assert (found.name, found.verdict) == ("modes", verdict)
        assert f"{wrong:04o}" in found.measured and f"{right:04o}" in found.measured
        # When it is mended, Then it is as `init --shared` makes it
        found.mend()
        assert mode(path) == right
        assert verdicts(access.check_modes(shared)) == {"modes": "ok"}

    @needs_root
    def test_another_group_is_told_and_restored(self, shared):
        os.chown(shared.layout.runs, -1, NOBODY)
        (found,) = access.check_modes(shared)
        found.mend()
        assert shared.layout.runs.stat().st_gid == os.getgid() and mode(shared.layout.runs) == 0o2750

    @needs_root
    def test_only_the_owner_may_mend(self, public_store):
        # Given a shared spool with a wrong mode, When another user looks, Then nothing is offered
        create(public_store.root, grp.getgrgid(NOBODY).gr_name)
        (public_store.root / "queued").chmod(0o2770)
        said = without_rights(lambda: access.check_modes(Patient(public_store.root))[0].mend)
        assert said == "ok: None"

    def test_a_directory_that_was_made_again_gets_its_mode(self, shared):
        # Given a shared spool that has lost its drop box, When directories and then modes are mended
        (shared.root / "queued").rmdir()
        access.check_directories(shared)[0].mend()
        access.check_modes(shared)[0].mend()
        # Then it is a drop box again
        assert mode(shared.root / "queued") == 0o3770


class TestMoves:
    def test_every_directory_can_be_moved_into(self, patient):
        # Given a whole spool, When it is tried, Then all is well, and nothing is left anywhere
        assert verdicts(access.check_writing(patient)) == {"moves": "ok"}
        assert [path for path in patient.root.rglob("*") if path.name.startswith(PROBE)] == []

    def test_a_refused_rename_is_a_fault(self, public_store):
        # Given a spool whose running/ its owner may not write
        Patient(public_store.root)
        shutil.chown(public_store.root, NOBODY) if os.getuid() == 0 else None
        for path in public_store.layout.directories():
            shutil.chown(path, NOBODY) if os.getuid() == 0 else None
        (public_store.root / "running").chmod(0o500)

        # When the owner looks
        said = without_rights(lambda: [(f.verdict.value, f.measured) for f in _writing(public_store.root)])
        # Then it is named
        assert said == "ok: [('fault', 'refused: running EACCES')]"

    def test_a_place_that_cannot_be_written_at_all(self, public_store):
        # Given a private spool that another may look into, When he looks, Then that is told, and nothing else is tried
        for path in (public_store.root, *public_store.layout.directories()):
            path.chmod(0o555)
        said = without_rights(lambda: [(f.verdict.value, f.measured) for f in _writing(public_store.root)])
        assert said == "ok: [('fault', 'no file can be made in .tmp/: Permission denied')]"

    @needs_root
    def test_a_member_needs_the_drop_boxes_only(self, public_store):
        # Given a shared spool, When a member looks, Then it is a note that moving is not his
        create(public_store.root, grp.getgrgid(NOBODY).gr_name)
        said = without_rights(
            lambda: [(f.verdict.value, sorted(f.numbers["refused"])) for f in _writing(public_store.root)]
        )
        assert said.startswith("ok: [('note', ['cancelled', 'completed', 'failed', 'pools', 'running', 'runs'])]")

    def test_a_member_who_cannot_drop_is_told(self):
        (found,) = access.judge_writing({"queued": "EACCES"}, True, {"queued", "control", ".tmp"})
        assert found.verdict == "fault"

    def test_root_that_is_squashed(self, patient, monkeypatch):
        # Given a server that gives our files to somebody else
        monkeypatch.setattr(access.os, "geteuid", lambda: os.getuid() + 1)
        found = access.check_writing(patient)
        assert found[0].name == "owner of new files" and found[0].verdict == "fault"


def _writing(root):
    return access.check_writing(Patient(root))


class TestSettings:
    def look(self, spool_path, text):
        (spool_path / "spoolq.toml").write_text(text)
        return access.check_settings(Patient(spool_path))

    def test_as_init_writes_them(self, patient):
        assert verdicts(access.check_settings(patient)) == {"settings": "ok"}

    def test_none(self, spool_path):
        (spool_path / "spoolq.toml").unlink()
        (found,) = access.check_settings(Patient(spool_path))
        assert found.verdict == "ok" and "default" in found.measured

    def test_that_do_not_parse_are_a_fault_and_the_rest_is_looked_at(self, spool_path):
        (found,) = self.look(spool_path, "poll = \n")
        assert found.verdict == "fault" and "line 1" in found.measured
        assert Patient(spool_path).settings.poll is None

    def test_a_broken_recipe_is_a_fault(self, spool_path):
        (found,) = self.look(spool_path, "[recipes.mine]\ncommand = 3\n")
        assert found.verdict == "fault" and "mine" in found.measured

    def test_an_output_root_that_is_gone(self, spool_path):
        (found,) = self.look(spool_path, 'output_roots = ["/no/such/place"]\n')
        assert found.verdict == "warning" and "/no/such/place" in found.measured

    def test_a_trusted_user_that_nobody_knows(self, spool_path):
        me = pwd.getpwuid(os.getuid()).pw_name
        (found,) = self.look(spool_path, f'trusted = ["{me}", "no-such-user", 12]\n')
        assert found.verdict == "note" and found.measured.endswith("called no-such-user")
