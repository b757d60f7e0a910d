"""A server that has files, as object stores and the Hugging Face hub have them: ranges, tags, redirections, faults."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit


class Elsewhere:
    """Serves `files` by path. `faults` are taken one a request: a status to answer, or "cut" to break off half-way."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.faults: list[int | str] = []
        self.tokens: set[str] | None = None
        self.seen: list[tuple[str, str, str | None]] = []  # method, path, Authorization
        self.sent = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def gets(self) -> Counter[str]:
        return Counter(path for method, path, _ in self.seen if method == "GET")

    def dataset(self, id: str, splits: dict[str, dict[str, list[bytes]]], cdn: str = "") -> None:
        """Put a data set there as the hub does: a list of addresses of parquet files, which lead to where they are."""
        told: dict[str, dict[str, list[str]]] = {}
        for config, parts in splits.items():
            for split, files in parts.items():
                for number, data in enumerate(files):
                    path = f"/api/datasets/{id}/parquet/{config}/{split}/{number}.parquet"
                    told.setdefault(config, {}).setdefault(split, []).append(self.url + path)
                    place = f"/cdn/{sha256(data).hexdigest()}"
                    self.files[place] = data
                    self.redirects[path] = (cdn or self.url) + place
        self.files[f"/api/datasets/{id}/parquet"] = json.dumps(told).encode()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        where = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None: ...

            def do_HEAD(self) -> None:
                self._answer(body=False)

            def do_GET(self) -> None:
                self._answer(body=True)

            def _plain(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _answer(self, body: bool) -> None:
                path, key = urlsplit(self.path).path, self.headers.get("Authorization")
                where.seen.append((self.command, path, key))
                fault = where.faults.pop(0) if where.faults else None
                if isinstance(fault, int):
                    return self._plain(fault)
                if where.tokens is not None and path.startswith("/api") and key not in where.tokens:
                    return self._plain(401)
                if path in where.redirects:
                    self.send_response(302)
                    self.send_header("Location", where.redirects[path])
                    self.send_header("Content-Length", "0")
                    return self.end_headers()
                data = where.files.get(path)
                if data is None:
                    return self._plain(404)
                begin, end = 0, len(data)
                asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
                if asked:
                    begin = int(asked[1])
                    end = min(end, int(asked[2]) + 1) if asked[2] else end
                    if begin >= len(data):
                        return self._plain(416)
                self.send_response(206 if asked else 200)
                self.send_header("Content-Length", str(end - begin))
                self.send_header("Accept-Ranges", "bytes")
                self.send_header("ETag", f'"{sha256(data).hexdigest()[:16]}"')
                if asked:
                    self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
                self.end_headers()
                if not body:
                    return None
                piece = data[begin:end]
                if fault == "cut":
                    piece, self.close_connection = piece[: len(piece) // 2], True
                where.sent += len(piece)
                self.wfile.write(piece)
                return None

        return Handler
