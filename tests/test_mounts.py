"""Which file system a path lies on, from mountinfo as the kernel writes it."""

import pytest

from spoolq.mounts import file_system, is_network, mount_of

MOUNTINFO = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:5 / /proc rw - proc proc rw
24 22 0:40 / /data rw,relatime shared:2 master:3 - nfs4 server:/export rw,vers=4.2
25 24 0:41 / /data/scratch rw - xfs /dev/sdb rw
26 22 0:42 / /mnt/with\\040space rw - fuse.sshfs user@host:/ rw
27 22 0:43 / /mnt/over rw - ext4 /dev/sdc rw
28 27 0:44 / /mnt/over rw - cifs //server/share rw
29 22 0:45 / /mnt/back\\134slash rw - lustre mgs:/fs rw
30 22 0:46 / /mnt/d\u00e4t\u00e4 rw - nfs server:/export rw
"""


@pytest.fixture
def mountinfo(tmp_path):
    path = tmp_path / "mountinfo"
    path.write_text(MOUNTINFO, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/home/me", "ext4"),
        ("/data", "nfs4"),
        ("/data/spool/queued", "nfs4"),
        ("/data/scratch/spool", "xfs"),
        ("/data/scratches", "nfs4"),
        ("/database", "ext4"),
        ("/mnt/with space/spool", "fuse.sshfs"),
        ("/mnt/over/spool", "cifs"),
        ("/mnt/back\\slash/spool", "lustre"),
        ("/mnt/d\u00e4t\u00e4/spool", "nfs"),
    ],
)
def test_the_innermost_and_newest_mount_counts(mountinfo, path, kind):
    # Given mounts inside one another, over one another, and with every kind of name
    # When a path is looked up, Then it is the one that the path really lies on
    assert file_system(path, mountinfo) == kind


def test_a_link_is_looked_up_where_it_leads(mountinfo, tmp_path):
    # Given a link to another mount, When it is looked up, Then that mount counts
    (tmp_path / "spool").symlink_to("/data/spool")
    assert file_system(tmp_path / "spool", mountinfo) == "nfs4"


def test_without_mountinfo_it_is_unknown(tmp_path):
    # Given a system without mountinfo, When a path is looked up, Then nobody knows
    assert file_system(tmp_path, tmp_path / "none") == "unknown"


def test_this_machine_can_tell(tmp_path):
    # Given the real mountinfo, When a path of this machine is looked up, Then there is an answer
    assert file_system(tmp_path) != "unknown"
    assert file_system("/proc/self") == "proc"
    assert not is_network("/proc")


def test_a_mount_tells_its_options(mountinfo):
    # Given a mount with options of its own and of its file system, When it is looked up, Then all are told
    mountinfo.write_text("9 1 0:4 / /data ro,relatime shared:2 - nfs4 srv:/a\\040b rw,vers=4.2,soft,local_lock=none\n")
    mount = mount_of("/data/spool", mountinfo)
    assert (mount.point, mount.kind, mount.source) == ("/data", "nfs4", "srv:/a b")
    assert mount.options == {"ro": "", "relatime": "", "rw": "", "vers": "4.2", "soft": "", "local_lock": "none"}


@pytest.mark.parametrize("row", ["9 1 0:4 / /data rw - ext4", "9 1 0:4 / /data rw - ext4 /dev/vda"])
def test_a_row_that_is_cut_short_is_read_as_far_as_it_goes(mountinfo, row):
    mountinfo.write_text(f"{row}\n")
    assert mount_of("/data", mountinfo).kind == "ext4"
