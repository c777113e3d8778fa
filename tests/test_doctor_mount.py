"""What file systems and mount options mean for a spool: from mountinfo as the kernel writes it, and on real mounts."""

import pytest

from spoolq.create import create
from spoolq.doctor.mount import check_kind, check_options, judge_kind, judge_options
from spoolq.doctor.patient import Patient
from spoolq.mounts import Mount, mount_of
from spoolq.settings import Settings
from tests.spooltest.namespaces import examined

NFS = "rw,relatime,vers=4.2,rsize=262144,wsize=262144,namlen=255,hard,proto=tcp,timeo=600,retrans=2,sec=sys"
#: Rows as `cat /proc/self/mountinfo` shows them; the mount point is the name of the case.
MOUNTINFO = f"""\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /nfs rw,relatime shared:2 - nfs4 server:/export {NFS},local_lock=none,addr=10.0.0.2
31 22 0:41 / /nocto rw,relatime shared:2 - nfs4 server:/export {NFS},nocto,local_lock=none
32 22 0:42 / /v3nolock rw,relatime - nfs server:/x rw,vers=3,hard,nolock,mountproto=tcp,local_lock=all
33 22 0:43 / /flock rw,relatime - nfs server:/x rw,vers=3,hard,local_lock=flock
34 22 0:44 / /posix rw,relatime - nfs server:/x rw,vers=4.1,hard,local_lock=posix
35 22 0:45 / /soft rw,relatime - nfs4 server:/x rw,vers=4.2,soft
36 22 0:46 / /softerr rw,relatime - nfs4 server:/x rw,vers=4.2,softerr
37 22 0:47 / /actimeo rw,relatime - nfs4 server:/x rw,vers=4.2,hard,acregmin=600,acregmax=600,acdirmax=600
38 22 0:48 / /noac rw,sync,relatime - nfs4 server:/x rw,vers=4.2,hard,noac,lookupcache=none
39 22 0:49 / /v40 rw,relatime - nfs4 server:/x rw,vers=4.0,hard
40 22 254:1 / /ro ro,relatime - xfs /dev/vdb rw
41 22 254:2 / /rosuper rw,relatime - ext4 /dev/vdc ro
42 22 254:3 / /nobarrier rw - xfs /dev/vdd rw,nobarrier
43 22 254:4 / /barrier0 rw - ext4 /dev/vde rw,barrier=0
"""


@pytest.fixture
def mountinfo(tmp_path):
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTINFO)
    return path


@pytest.mark.parametrize(
    ("kind", "verdict", "says"),
    [
        ("ext4", "ok", ""),
        ("xfs", "ok", ""),
        ("btrfs", "ok", ""),
        ("tmpfs", "warning", "gone at the next reboot"),
        ("overlay", "warning", "goes when its container goes"),
        ("9p", "warning", "locks to this side"),
        ("cifs", "warning", "Owners and modes are the mount's"),
        ("fuse.sshfs", "warning", "listings may be old"),
        ("fuseblk", "warning", "listings may be old"),
        ("vfat", "warning", "no owners"),
        ("ceph", "note", "Not run on this code"),
        ("madeupfs", "note", "taken for a local disk"),
    ],
)
def test_each_type_has_its_sentence(kind, verdict, says):
    # Given a mount of that type, When it is judged, Then it is told what that breaks, and what to do
    found = judge_kind(Mount("/data", kind, "source"))
    assert (found.verdict, found.numbers["type"]) == (verdict, kind)
    assert says in found.breaks and kind in found.measured
    assert bool(found.breaks) == bool(found.next_step) == (verdict != "ok")


@pytest.mark.parametrize(
    ("place", "verdict"), [("nfs", "ok"), ("v3nolock", "warning"), ("v40", "note"), ("posix", "ok")]
)
def test_the_version_of_nfs_counts(mountinfo, place, verdict):
    # Given an NFS mount, When it is judged, Then versions that lose replies are told
    mount = mount_of(f"/{place}/spool", mountinfo)
    found = judge_kind(mount)
    assert found.verdict == verdict and "server:/" in found.measured
    assert found.numbers["options"] == dict(mount.options)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("", {"mount options": "ok"}),
        ("nfs", {"NFS export": "note"}),
        ("nocto", {"option nocto": "fault", "NFS export": "note"}),
        ("v3nolock", {"option nolock": "warning", "NFS export": "note"}),
        ("flock", {"option local_lock=flock": "warning", "NFS export": "note"}),
        ("posix", {"NFS export": "note"}),
        ("soft", {"option soft": "warning", "NFS export": "note"}),
        ("softerr", {"option softerr": "warning", "NFS export": "note"}),
        ("actimeo", {"attribute cache": "warning", "NFS export": "note"}),
        ("noac", {"option noac": "note", "NFS export": "note"}),
        ("ro", {"option ro": "fault"}),
        ("rosuper", {"option ro": "fault"}),
        ("nobarrier", {"option nobarrier": "warning"}),
        ("barrier0", {"option barrier=0": "warning"}),
    ],
)
def test_each_option_that_breaks_something_is_told(mountinfo, place, expected):
    # Given a mount with that option, When it is judged, Then that option is named, and nothing else
    found = judge_options(mount_of(f"/{place}", mountinfo), Settings())
    assert {finding.name: finding.verdict for finding in found} == expected
    assert all(finding.breaks for finding in found if finding.verdict != "ok")


def test_a_long_heartbeat_timeout_makes_up_for_old_attributes(mountinfo):
    # Given attributes that are kept for ten minutes, and a timeout three times that
    found = judge_options(mount_of("/actimeo", mountinfo), Settings(heartbeat_timeout=1800.0))
    # Then nobody is taken for dead too early
    assert [finding.name for finding in found] == ["NFS export"]


def test_the_spools_own_mount_is_looked_up(spool_path, mountinfo):
    # Given a mountinfo in which the spool lies on NFS
    mountinfo.write_text(MOUNTINFO + f"50 22 0:50 / {spool_path} rw - nfs4 server:/x rw,vers=4.2,soft\n")
    patient = Patient(spool_path, mountinfo=mountinfo)
    # When it is looked at, Then that mount is judged
    assert check_kind(patient)[0].numbers["point"] == str(spool_path) and patient.network
    assert check_options(patient)[0].name == "option soft"


def test_without_mountinfo_nothing_is_claimed(spool_path, tmp_path):
    patient = Patient(spool_path, mountinfo=tmp_path / "none")
    assert check_kind(patient)[0].verdict == "note" and check_options(patient) == []


class TestRealMounts:
    def test_tmpfs_is_memory_and_full_is_full(self, tmp_path):
        # Given a small tmpfs with few inodes
        found = examined('mount -t tmpfs -o size=20m,nr_inodes=90 none "$1"', tmp_path / "mnt")
        # When a spool on it is examined, Then it is told that it is memory, and full
        assert found["file system"]["verdict"] == "warning" and "tmpfs" in found["file system"]["measured"]
        assert found["room"]["verdict"] == "fault" and found["room"]["numbers"]["bytes"] == 20 << 20
        assert found["inodes"]["verdict"] == "fault" and found["inodes"]["numbers"]["inodes"] == 90
        # And what it is good at is proved there
        assert found["rename race"]["verdict"] == found["lock exclusion"]["verdict"] == "ok"

    def test_overlay(self, tmp_path):
        mount = (
            'mount -t tmpfs none "$1"; mkdir "$1/low" "$1/up" "$1/work" "$1/all"\n'
            'mount -t overlay -o lowerdir="$1/low",upperdir="$1/up",workdir="$1/work",userxattr none "$1/all"\n'
            'set -- "$1/all/spool"'
        )
        found = examined(mount, tmp_path / "mnt")
        assert found["file system"]["verdict"] == "warning" and "overlay" in found["file system"]["measured"]
        assert found["rename race"]["verdict"] == "ok"

    def test_read_only(self, tmp_path):
        # Given a spool that is bound read-only over itself
        create(tmp_path / "spool")
        found = examined('mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"', tmp_path / "spool")
        # When it is examined, Then that is told, and nothing else breaks off the examination
        assert found["option ro"]["verdict"] == "fault"
        assert found["moves"]["verdict"] == "fault" and "Read-only file system" in found["moves"]["measured"]
        assert "rename race" not in found and found["all else"]["verdict"] == "note"

    def test_a_mount_inside_the_tree(self, tmp_path):
        # Given a spool one of whose directories is a mount of its own, of the same file system even
        create(tmp_path / "spool")
        (tmp_path / "elsewhere").mkdir()
        found = examined('mount --bind "$1/../elsewhere" "$1/completed"', tmp_path / "spool")
        # When it is examined, Then renames into it are known to fail
        assert found["moves"]["verdict"] == "fault"
        assert found["moves"]["numbers"]["refused"] == {"completed": "EXDEV"}
