"""Bind, say where, and serve until told to stop."""

from __future__ import annotations

import gc
import os
import socket
import sys

import uvicorn

from spoolq.plain import one_line
from spoolq.sections import ServerSection
from spoolq.server.app import create_app
from spoolq.server.hosts import is_loopback
from spoolq.server.tokens import tokens_of
from spoolq.store import Store

#: How long open streams may hold up a stop, in seconds.
_GRACE_S = 2
#: uvloop takes one connection from a listener in each turn of its loop, and a turn answers everybody who has asked:
#: with one listener the last of many new clients would wait for seconds while two hundred others are answered.
_LISTENERS = 8
#: New objects after which the garbage collector looks among them.
_OBJECTS = 20_000


class NotHere(Exception):
    """The server may not listen there."""


class Taken(Exception):
    """The address cannot be had."""


def serve(store: Store, options: ServerSection, *, prune: bool = False) -> None:
    """Serve until SIGINT or SIGTERM; raises NotHere, Taken, SettingsInvalid."""
    tokens = tokens_of(options, shared=store.shared)
    if not is_loopback(options.host) and tokens.full is None:
        raise NotHere(
            f"cannot serve on {options.host}: it is heard by other hosts, and there is no token. Set `token_file` "
            "under [server] or give --token-file; or listen on 127.0.0.1."
        )
    app = create_app(store, options, prune=prune)
    listener = bind(options.host, options.port)
    gc.collect()
    # What there is by now stays, and what a crowd leaves behind is gone at once. To look for more after every few
    # hundred objects takes a tenth of a busy server's time.
    gc.freeze()
    gc.set_threshold(_OBJECTS, *gc.get_threshold()[1:])
    port = listener.getsockname()[1]
    shown = f"[{options.host}]" if ":" in options.host else options.host
    _say(f"serving {one_line(store.root)} on http://{shown}:{port}" + ("" if tokens.full else " to all on this host"))
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE_S, server_header=False,
        ws_max_size=options.max_body, proxy_headers=False,
    )  # fmt: skip
    listeners = [listener, *(listener.dup() for _ in range(_LISTENERS - 1))]
    uvicorn.Server(config).run(sockets=listeners)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; raises Taken."""
    listener: socket.socket | None = None
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        if listener is not None:
            listener.close()
        cause = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        raise Taken(f"cannot serve on {host}:{port}: {cause}. Choose another --port or --host.") from None
    return listener


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
