"""Stands between a client and the NFS server, and loses the reply to one rename.

Arguments: address to listen on, port, two patterns. It says FIRED when a request holds both patterns, in that order,
and from then on passes no reply on. On any line of input it drops the connection and works as usual again.
"""

from __future__ import annotations

import contextlib
import re
import socket
import sys
import threading
import time


class Proxy:
    def __init__(self, address: str, port: int, first: str, second: str) -> None:
        self.server, self.pattern = (address, 2049), re.compile(f"{first}.*{second}".encode(), re.DOTALL)
        self.fired, self.over = threading.Event(), threading.Event()
        self.listener = socket.create_server((address, port))

    def serve(self) -> None:
        threading.Thread(target=self._listen_to_the_test, daemon=True).start()
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(self.server)
            except OSError:  # it is being restarted; the client comes again
                client.close()
                time.sleep(0.05)
                continue
            threading.Thread(target=self._requests, args=(client, server), daemon=True).start()
            threading.Thread(target=self._replies, args=(server, client), daemon=True).start()

    def _listen_to_the_test(self) -> None:
        sys.stdin.readline()
        self.over.set()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(1 << 20):
                if not self.fired.is_set() and self.pattern.search(data):
                    self.fired.set()
                    print("FIRED", flush=True)
                server.sendall(data)
        _hang_up(client, server)

    def _replies(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(1 << 20):
                if self.fired.is_set() and not self.over.is_set():
                    self.over.wait()
                    break
                client.sendall(data)
            if self.fired.is_set():
                self.over.wait()
        _hang_up(client, server)


def _hang_up(*connections: socket.socket) -> None:
    for connection in connections:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()


if __name__ == "__main__":
    Proxy(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]).serve()
