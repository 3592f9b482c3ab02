"""The server of the explorer: who gets an answer, and who does not."""

import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from stripe.errors import StripeError
from stripe.explorer.serve import ExplorerServer
from stripe.explorer.slices import Slices


@pytest.fixture
def server(explored: Path) -> Iterator[ExplorerServer]:
    with ExplorerServer(Slices(explored), view={}) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def asked(
    server: ExplorerServer, path: str, *, method: str = "GET", **headers: str
) -> tuple[int, bytes, dict[str, str]]:
    """Return status, content and headers of an answer."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    found = answer.status, answer.read(), dict(answer.getheaders())
    connection.close()
    return found


def test_who_knows_the_token_gets_page_and_values(server: ExplorerServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    status, page, headers = asked(server, f"/?token={server.token}")
    assert status == 200
    assert b"servedSource" in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    status, about, headers = asked(server, "/api/about", X_Stripe_Token=server.token)
    assert status == 200
    assert [gate["name"] for gate in json.loads(about)["runs"][0]["gates"]] == ["a", "b"]
    assert "Access-Control-Allow-Origin" not in headers


@pytest.mark.parametrize(
    "path", ["/", "/api/about", "/?token=x", "/?token=", "/api/matrix/0/0/0/after"]
)
def test_who_does_not_gets_nothing(server: ExplorerServer, path: str) -> None:
    status, content, _ = asked(server, path)
    assert status == 403
    assert b"token" in content


def test_another_name_of_this_machine_is_refused(server: ExplorerServer) -> None:
    for host in ("evil.example", f"evil.example:{server.server_port}", "127.0.0.1.evil.example:80"):
        status, _, _ = asked(server, "/api/about", X_Stripe_Token=server.token, Host=host)
        assert status == 403


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/etc/passwd", 404), ("/api/../../etc/passwd", 400), ("/api/%2e%2e%2fetc%2fpasswd", 400),
     ("/page/app.js", 404), ("/api/matrix/0/99/0/after", 400)],
)  # fmt: skip
def test_no_path_leads_to_a_file(server: ExplorerServer, path: str, expected: int) -> None:
    status, content, _ = asked(server, path, X_Stripe_Token=server.token)
    assert status == expected
    assert "error" in json.loads(content)


def test_nothing_can_be_sent(server: ExplorerServer) -> None:
    assert asked(server, "/", method="POST", X_Stripe_Token=server.token)[0] == 501


def test_a_taken_port_is_one_line(explored: Path, server: ExplorerServer) -> None:
    for port in (server.server_port, 70000):
        with pytest.raises(StripeError, match="choose another --port"):
            ExplorerServer(Slices(explored), port=port, view={})
