"""A small model hub on this machine: it speaks as much of the hub's API as huggingface_hub and the pull ask for.

Weights are handed over as the real hub does: the address redirects to another host, which needs no token.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34


class Asked(NamedTuple):
    """One request that the hub has seen."""

    path: str
    begins: int
    token: str | None
    host: str


@dataclass
class HubState:
    """What the hub holds, and how it is to misbehave."""

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Repository -> path -> bytes."""
    asked: list[Asked] = field(default_factory=list)
    cuts: dict[str, list[int]] = field(default_factory=dict)
    """Path -> after how many bytes the next answers break off."""
    tampered: dict[str, bytes] = field(default_factory=dict)
    """Path -> what is sent instead, while the API tells the true checksum."""
    status: int = 200
    """Of every answer of the API; not 200: it refuses."""
    ranges: bool = True
    sha: str = ""
    """The commit that the API tells, whatever was asked for; empty: the one that was, or COMMIT for a branch."""
    address: str = ""

    def begun(self, path: str) -> list[int]:
        """At which bytes the transfers of a file began."""
        return [one.begins for one in self.asked if one.path.endswith(path) and one.path.startswith("/cdn/")]


@contextmanager
def hub_server() -> Iterator[HubState]:
    """Serves until the block ends."""
    state = HubState()

    class Handler(_Handler):
        hub = state

    server = _Server(("127.0.0.1", 0), Handler)
    state.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Quiet: a client that hangs up is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    hub: HubState
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        begins = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        self.hub.asked.append(Asked(path, begins, self.headers.get("Authorization"), self.headers["Host"]))
        if path.startswith("/api/models/"):
            repo, _, revision = path.removeprefix("/api/models/").partition("/revision/")
            self._describe(repo, revision)
        elif path.startswith("/cdn/"):
            _, _, owner, name, file = path.split("/", 4)
            self._send(f"{owner}/{name}", file, begins)
        else:
            repo, _, rest = path.strip("/").partition("/resolve/")
            self._redirect(repo, rest.split("/", 1)[-1])

    def _describe(self, repo: str, revision: str) -> None:
        if self.hub.status != 200 or repo not in self.hub.files:
            self._answer(self.hub.status if self.hub.status != 200 else 404, b"{}")
            return
        siblings: list[dict[str, Any]] = []
        for path, data in self.hub.files[repo].items():
            sibling: dict[str, Any] = {"rfilename": path, "size": len(data), "blobId": _blob_id(data)}
            if path.endswith((".safetensors", ".onnx")):
                sibling["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 134}
            siblings.append(sibling)
        sha = self.hub.sha or (revision if len(revision) == 40 else COMMIT)
        told = {"id": repo, "sha": sha, "private": False, "siblings": siblings}
        self._answer(200, json.dumps(told).encode())

    def _redirect(self, repo: str, path: str) -> None:
        if path not in self.hub.files.get(repo, {}):
            self._answer(404, b"")
            return
        self.send_response(302)
        # Another host than the one that was asked, as with the real hub's storage.
        self.send_header("Location", f"http://localhost:{self.server.server_address[1]}/cdn/{repo}/{path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, repo: str, path: str, begins: int) -> None:
        data = self.hub.tampered.get(path, self.hub.files[repo][path])
        if not self.hub.ranges:
            begins = 0
        body = data[begins:]
        self.send_response(206 if begins else 200)
        if begins:
            self.send_header("Content-Range", f"bytes {begins}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cuts = self.hub.cuts.get(path)
        if cuts:
            self.wfile.write(body[: cuts.pop(0)])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet: what was asked is in `HubState.asked`."""


def _blob_id(data: bytes) -> str:
    """Git's name of a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
