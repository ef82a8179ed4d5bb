# SPDX-License-Identifier: GPL-3.0-or-later
"""The live page of a running session, for browsers on this machine only.

The server listens on the loopback interface and serves three fixed names. Pages of other sites
cannot read it: requests with another host name (DNS rebinding), from another origin, or that a
browser marks as cross-site are refused.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import threading
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.session.live_page import PAGE, POLICY
from tomoscore_scipion.session.results import CSV, REPORT
from tomoscore_scipion.session.summary import counts_of

ADDRESS = "127.0.0.1"
OUR_HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)
"""Any port, as a tunnel (ssh -L) may use another one."""
OWN_REQUESTS = (None, "same-origin", "none")
"""Values of Sec-Fetch-Site for requests of the page itself, and for a typed address."""
SILENT_CLIENT_S = 30.0


class LivePage:
    """The server, in a thread of its own. A context manager.

    Attributes:
        address: URL of the page.
    """

    def __init__(self, folder: str, port: int) -> None:
        """Start to listen.

        Args:
            folder: folder of the results.
            port: port on the loopback interface.

        Raises:
            StartError: the port cannot be used.
        """
        try:
            self._server = _Server((ADDRESS, port), partial(_Handler, folder))
        except OSError as error:
            raise StartError(
                f"cannot listen on port {port} of {ADDRESS}: {error.strerror}: choose another port "
                "(--serve)"
            ) from error
        self.address = f"http://{ADDRESS}:{port}/"

    def __enter__(self) -> LivePage:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore browsers that closed the connection."""


class _Handler(BaseHTTPRequestHandler):
    timeout = SILENT_CLIENT_S
    server_version = "TomoScore"
    sys_version = ""

    def __init__(self, folder: str, *connection: object) -> None:
        self._folder = folder
        super().__init__(*connection)  # type: ignore[arg-type]

    def do_GET(self) -> None:  # noqa: N802 (the name is the library's)
        """Answer with the page, the report, or the state of the session."""
        if not self._is_ours():
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"Not for other sites.\n")
        elif self.path == "/":
            self._answer(HTTPStatus.OK, "text/html; charset=utf-8", PAGE.encode(), POLICY)
        elif self.path == "/state":
            self._answer(HTTPStatus.OK, "application/json", json.dumps(self._state()).encode())
        elif self.path == f"/{REPORT}":
            self._report()
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"There is nothing of this name.\n")

    def log_message(self, format: str, *arguments: object) -> None:
        """Print nothing; the watch reports its progress."""

    def _is_ours(self) -> bool:
        hosts, origin = self.headers.get_all("Host", []), self.headers.get("Origin")
        return (
            len(hosts) == 1
            and OUR_HOST.fullmatch(hosts[0]) is not None
            and origin in (None, f"http://{hosts[0]}")
            and self.headers.get("Sec-Fetch-Site") in OWN_REQUESTS
        )

    def _state(self) -> dict[str, object]:
        """Modification time of the report, as text, and the numbers of tomograms."""
        try:
            written = str(os.stat(os.path.join(self._folder, REPORT)).st_mtime_ns)
            total, failed = counts_of(os.path.join(self._folder, CSV))
        except OSError:
            return {"report": None, "tomograms": 0, "failed": 0}
        return {"report": written, "tomograms": total, "failed": failed}

    def _report(self) -> None:
        try:
            descriptor = os.open(os.path.join(self._folder, REPORT), os.O_RDONLY)
        except OSError:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"There is no report yet.\n")
            return
        with os.fdopen(descriptor, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            self._head(HTTPStatus.OK, "text/html; charset=utf-8", size, "frame-ancestors 'self'")
            shutil.copyfileobj(file, self.wfile)

    def _answer(
        self, status: HTTPStatus, kind: str, content: bytes, policy: str = "default-src 'none'"
    ) -> None:
        self._head(status, kind, len(content), policy)
        self.wfile.write(content)

    def _head(self, status: HTTPStatus, kind: str, size: int, policy: str) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", kind),
            ("Content-Length", str(size)),
            ("Content-Security-Policy", policy),
            ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cache-Control", "no-store"),
        ):
            self.send_header(name, value)
        self.end_headers()
