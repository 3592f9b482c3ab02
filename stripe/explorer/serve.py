"""Serve the explorer to a browser on this machine."""

import json
import secrets
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

from stripe.errors import StripeError
from stripe.explorer.page import served_page
from stripe.explorer.slices import Slices

#: Accepted names of this machine. A foreign site may resolve another name to it.
_HOSTS = ("127.0.0.1", "localhost")
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


class ExplorerServer(ThreadingHTTPServer):
    """Serve the explorer on 127.0.0.1, to clients that know its token.

    It reads no files except its recordings, and changes none.

    Parameters
    ----------
    slices
        The recordings to serve.
    port
        The port; 0 for a free one.
    view
        The first view of the page.

    Raises
    ------
    StripeError
        If the port is taken.
    """

    daemon_threads = True

    def __init__(self, slices: Slices, *, port: int = 0, view: Mapping[str, Any]) -> None:
        self.slices, self.view = slices, view
        self.token = secrets.token_urlsafe(24)
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise StripeError(
                f"cannot serve at port {port}: {reason}; choose another --port, or 0 for a free one"
            ) from error

    @property
    def address(self) -> str:
        """The address of the page, which holds the token."""
        return f"http://127.0.0.1:{self.server_port}/?token={self.token}"


class _Handler(BaseHTTPRequestHandler):
    server: ExplorerServer
    server_version = "stripe"
    sys_version = ""
    protocol_version = "HTTP/1.1"
    timeout = 60
    _headers: ClassVar[dict[str, str]] = {
        "Cache-Control": "no-store",
        "Content-Security-Policy": _POLICY,
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }

    def do_GET(self) -> None:
        """Answer with the page, or with the data that it requests."""
        address = urlsplit(self.path)
        host = (self.headers.get("Host") or "").rpartition(":")[0] or self.headers.get("Host")
        if host not in _HOSTS:
            self._refuse(403, f"the host must be one of {', '.join(_HOSTS)}, got {host!r}")
        elif not self._knows_token(address.query):
            self._refuse(403, "the token is missing or wrong; open the address that was printed")
        elif address.path == "/":
            page = served_page(self.server.slices, self.server.token, self.server.view)
            self._send(200, "text/html; charset=utf-8", page.encode())
        elif address.path.startswith("/api/"):
            self._answer(unquote(address.path.removeprefix("/api/")))
        else:
            self._refuse(404, "there is nothing here; open the address that was printed")

    def _knows_token(self, query: str) -> bool:
        """Tell whether the request has the token, in a header or in its address."""
        given = self.headers.get("X-Stripe-Token") or parse_qs(query).get("token", [""])[0]
        return secrets.compare_digest(given.encode(), self.server.token.encode())

    def _answer(self, request: str) -> None:
        try:
            answer = self.server.slices.answer(request)
        except StripeError as error:
            self._refuse(400, str(error))
        else:
            self._send(200, "application/octet-stream", answer)

    def _refuse(self, status: int, reason: str) -> None:
        self._send(status, "application/json", json.dumps({"error": reason}).encode())

    def _send(self, status: int, kind: str, content: bytes) -> None:
        try:
            self.send_response(status)
            for name, value in {**self._headers, "Content-Type": kind}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):  # the page was closed, or asks anew
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing; the command line prints the address."""
