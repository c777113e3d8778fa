"""By which names the server may be asked, and from which pages: the guards against DNS rebinding and other sites."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import Scope

from spoolq.server.refusal import Refused

#: What a browser says of requests that a page of another site makes.
_FOREIGN = ("cross-site", "same-site")


def is_loopback(host: str) -> bool:
    """Whether listening on *host* is heard on this host alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Hosts:
    """*names* may stand in `Host`, beside addresses; *origins* are pages elsewhere that may ask."""

    names: frozenset[str]
    origins: frozenset[str]

    @classmethod
    def of(cls, host: str, names: Iterable[str], origins: Iterable[str]) -> Hosts:
        """Those of a server that listens on *host*."""
        own = {"localhost", host.lower()}
        if not is_loopback(host):
            own |= {socket.gethostname().lower(), socket.getfqdn().lower()}
        return cls(frozenset(own | {name.lower() for name in names}), frozenset(o.rstrip("/").lower() for o in origins))

    def check(self, scope: Scope, headers: Headers, *, navigates: bool) -> None:
        """Raise Refused for a name that is not ours, or a page that is another's. *navigates*: a link was followed."""
        host = headers.get("host", "").lower()
        if not self._known(_name(host)):
            raise Refused(421, "this is no name of this server. The operator may add it to `allowed_hosts`")
        origin = headers.get("origin")
        if origin is not None and not self._ours(origin.lower(), host, scope):
            raise Refused(403, "another site's page may not use this server")
        if origin is None and not navigates and headers.get("sec-fetch-site") in _FOREIGN:
            raise Refused(403, "another site's page may not use this server")

    def _known(self, name: str) -> bool:
        if name in self.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True  # an address is nobody's name, so nobody can have it lead elsewhere

    def _ours(self, origin: str, host: str, scope: Scope) -> bool:
        scheme, _, rest = origin.partition("://")
        # Behind a proxy that speaks TLS we hear `http` where the page says `https`.
        same = rest == host and scheme in ("http", "https") and bool(scope)
        return same or origin in self.origins


def _name(host: str) -> str:
    """The name in a Host header: without its port, an IPv6 address without brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
