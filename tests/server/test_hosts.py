"""Where a server is heard, and by which names."""

import socket

import pytest

from spoolq.server.hosts import Hosts, is_loopback


@pytest.mark.parametrize(("host", "loopback"), [
    ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
    ("192.168.1.5", False), ("gpu-07", False), ("localhost.evil.example", False),
])  # fmt: skip
def test_only_loopback_is_heard_on_this_host_alone(host, loopback):
    assert is_loopback(host) is loopback


def test_off_loopback_the_hosts_own_name_is_known():
    assert socket.gethostname().lower() in Hosts.of("0.0.0.0", [], []).names
    assert socket.gethostname().lower() not in Hosts.of("127.0.0.1", [], []).names - {"localhost"}
