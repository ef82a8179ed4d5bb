# SPDX-License-Identifier: GPL-3.0-or-later
"""The live page: its content, its display in a browser, and refused requests."""

import http.client
import json
import socket
import sys
import threading
from pathlib import Path

import pytest
from session_files import Watch

from tomoscore_scipion.records.csv_lines import csv_heading
from tomoscore_scipion.records.errors import StartError
from tomoscore_scipion.session.server import LivePage

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "report"))

from browser import Browser, find_program  # noqa: E402

REPORT = "byId('report').contentDocument"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def page(tmp_path):
    """The live page of a folder with a report, a table and a file that must not be served."""
    folder = tmp_path / "scores"
    folder.mkdir()
    (folder / "report.html").write_text("<p>the report</p>")
    (folder / "scores.csv").write_text(csv_heading())
    (folder / "secret").write_text("secret")
    (tmp_path / "secret").write_text("secret")
    with LivePage(str(folder), free_port()) as page:
        yield page


def ask(page, path="/", method="GET", **headers):
    """Status, headers and body of a response; header names are given with _ for -."""
    port = int(page.address.rsplit(":", 1)[1].strip("/"))
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.putrequest(method, path, skip_host="Host" in given, skip_accept_encoding=True)
    for name, value in given.items():
        if value is not None:
            connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def test_the_page_the_report_and_the_state_are_served(page):
    status, headers, body = ask(page)
    assert status == 200 and b"running session" in body
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert ask(page, "/report.html")[2] == b"<p>the report</p>"
    state = json.loads(ask(page, "/state")[2])
    assert (state["tomograms"], state["failed"]) == (0, 0) and state["report"].isdecimal()


def test_the_report_is_not_found_before_it_is_written(tmp_path):
    with LivePage(str(tmp_path), free_port()) as page:
        assert json.loads(ask(page, "/state")[2])["report"] is None
        assert ask(page, "/report.html")[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/secret",
        "/../secret",
        "/..%2fsecret",
        "/%2e%2e/secret",
        "//etc/passwd",
        "/report.html/../secret",
        "/report.html%00",
        "/scores.csv",
        "/results.jsonl",
        "/?a=1",
        "http://127.0.0.1/",
        "/" + "a" * 5000,
    ],
)
def test_no_other_path_is_served(page, path):
    status, _, body = ask(page, path)
    assert status == 404 and b"secret" not in body


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:8000"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost@evil.example"},
        {"Host": ""},
        {"Host": None},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/", "/state", "/report.html", "/none"])
def test_requests_of_other_sites_are_refused(page, path, headers):
    status, answered, body = ask(page, path, **headers)
    assert (status, body) == (403, b"Not for other sites.\n")
    assert "Access-Control-Allow-Origin" not in answered


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:9000", "LOCALHOST:1", "[::1]:8000"])
def test_requests_to_loopback_names_on_any_port_are_answered(page, host):
    assert ask(page, Host=host)[0] == 200
    assert ask(page, "/state", Host=host, Origin=f"http://{host}")[0] == 200


def test_a_request_with_two_host_headers_is_refused(page):
    port = int(page.address.rsplit(":", 1)[1].strip("/"))
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert b" 403 " in connection.recv(100)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_methods_that_change_data_are_refused(page, method):
    assert ask(page, method=method)[0] == 501


def test_only_this_machine_can_reach_the_page(page):
    port = int(page.address.rsplit(":", 1)[1].strip("/"))
    others = {found[4][0] for found in socket.getaddrinfo(socket.gethostname(), port)}
    for address in {"127.0.0.2", *others} - {"127.0.0.1"}:
        with pytest.raises(OSError), socket.create_connection((address, port), timeout=5):
            pass


def test_an_idle_connection_does_not_block_others(page):
    port = int(page.address.rsplit(":", 1)[1].strip("/"))
    with socket.create_connection(("127.0.0.1", port)):
        assert ask(page)[0] == 200


def test_an_occupied_port_is_refused_with_advice(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StartError, match="cannot listen on port.*--serve"):
            LivePage(str(tmp_path), taken.getsockname()[1])


@pytest.mark.skipif(find_program() is None, reason="Chromium is not installed")
def test_a_browser_shows_the_report_and_the_newer_one_on_request(tmp_path):
    port = free_port()
    with Watch(tmp_path, "--serve", str(port)) as watch:
        watch.until((watch.output / "report.html").exists)
        browser = Browser(find_program(), tmp_path)
        lines = []
        threading.Thread(target=lambda: lines.extend(watch.process.stderr), daemon=True).start()
        try:
            browser.call("Page.navigate", url=f"http://127.0.0.1:{port}/")
            browser.wait("document.readyState === 'complete'")
            browser.wait(f"{REPORT}?.body?.textContent.includes('0 tomograms')")
            watch.write("TS_01.mrc", 1.5)
            browser.wait(f"{REPORT}?.body?.textContent.includes('TS_01')")
            browser.wait(f"{REPORT}?.documentElement?.dataset.ready === 'yes'")
            assert browser.do("byId('newer').hidden") is True
            watch.write("TS_02.mrc", 2.5)
            browser.wait("byId('newer').hidden === false")
            assert browser.do("byId('state').textContent").startswith("2 tomograms, 0 of")
            assert browser.do(f"{REPORT}?.body?.textContent.includes('TS_02')") is False
            browser.do("byId('newer').click()")
            browser.wait(f"{REPORT}?.body?.textContent.includes('TS_02')")
            assert browser.errors == []
        finally:
            browser.close()
