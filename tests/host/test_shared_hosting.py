"""Postern by .htaccess alone, beside the files of a web site, in its root and in a folder."""

import pytest
from lib import checks, hosts, messages, scripts

ROOT, FOLDER = hosts.ApacheHtaccess.name, hosts.ApacheHtaccessFolder.name
pytestmark = pytest.mark.modes([ROOT, FOLDER])


@pytest.mark.parametrize("name", ["postern.conf", "postern.keys", "postern.conf.bak", "postern.state/ledger.jsonl"])
def test_files_of_the_program_are_not_shown(host, name):
    answer = host.request("GET", f"/{name}")
    assert answer.status == 403, answer.body
    assert b"upstream" not in answer.body


def test_the_site_goes_on(host):
    (host.place / "page.html").write_text("<p>the site</p>")
    assert host.request("GET", "/page.html").body == b"<p>the site</p>"
    assert host.request("GET", "/nothing").status == 404


def test_call_and_stream(host, upstream, model):
    assert host.post(messages.body(model)).read().json() == messages.answer(model)
    headers = [("authorization", f"Bearer {host.site.key.text}")]
    upstream.on(model, scripts.stream())
    call = host.post(messages.body(model, stream=True), headers=headers).read()
    assert call.body == b"".join(messages.sse(e) for e in messages.stream(model))


@pytest.mark.parametrize("path", ["/messages", "/api/anthropic/v1/messages"])
def test_paths(host, model, path):
    assert host.post(messages.body(model), path=path).read().status == 200


def test_errors_in_the_shape_of_the_api(host):
    checks.refused(host.request("GET", "/v1/nothing", host.auth()), 404, "not_found_error")
    checks.refused(host.request("GET", "/v1/messages", host.auth()), 405, "invalid_request_error")
    checks.refused(host.request("POST", "/v1/messages", [], b"{}"), 401, "authentication_error")


def test_the_program_itself_is_no_page(host):
    checks.refused(host.request("GET", "/postern.cgi"), 404, "not_found_error")
