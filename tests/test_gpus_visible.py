"""Device lists, as CUDA_VISIBLE_DEVICES has them."""

import pytest

from spoolq.gpus import Gpu
from spoolq.gpus.visible import chosen, device_list, named

A, B, MIG = Gpu(0, "GPU-aaaa"), Gpu(1, "GPU-bbbb"), Gpu(None, "MIG-cccc", parent="GPU-dddd")


@pytest.mark.parametrize(
    ("text", "entries"),
    [("", []), ("0, 2", ["0", "2"]), ("-1", []), ("0,-1,2", ["0"]), ("NoDevFiles", []), ("GPU-aaaa", ["GPU-aaaa"])],
)
def test_a_list_is_read_as_cuda_reads_it(text, entries):
    # Given a list, When it is read, Then what follows an entry that is none does not count
    assert named(text) == entries


def test_entries_name_gpus():
    # Given GPUs, When entries name them by index, UUID and its beginning, Then each is found; others are as stated
    assert chosen([A, B, MIG], ["1", "GPU-aa", "MIG-cccc"]) == [B, A, MIG]
    assert chosen([A], ["7", "GPU-x"]) == [Gpu(7, None), Gpu(None, "GPU-x")]


def test_a_list_is_of_one_kind():
    # Given GPUs, When a list is made, Then it has indices, or UUIDs where asked for, or where an instance has no index
    assert device_list([A, B]) == "0,1"
    assert device_list([A, B], uuids=True) == "GPU-aaaa,GPU-bbbb"
    assert device_list([A, MIG]) == "GPU-aaaa,MIG-cccc"
    assert device_list([Gpu(3, None)], uuids=True) == "3"
