"""Credentials that other servers give out: fetched once for all calls, renewed early, and never used when they are over."""

import concurrent.futures

import pytest
from conftest import MODES, RECOMMENDED
from lib import bedrock, checks, clouds, messages, sigv4, vertex
from lib.proc import wait_until

SECTIONS = """
upstream "aws" {
    kind = "bedrock"
    url = "@bedrock@"
    aws_region = "eu-central-1"
    credentials = "metadata"
    any_model = true
}
upstream "google" {
    kind = "vertex"
    url = "@vertex@/v1"
    google_project = "project-1"
    google_location = "eu"
    credentials = "metadata"
}
model "on-google" { target "google" { id = "claude-x" } }
"""


class Machine:
    """A host on a machine that has both metadata servers."""

    def __init__(self, mode, monkeypatch, lifetime=3600):
        self.container = clouds.Container(lifetime)
        self.tokens = vertex.TokenServer(lifetime)
        self.bedrock = bedrock.Bedrock(
            sigv4.Signer(clouds.ACCESS_KEY, clouds.SECRET, clouds.EU, "bedrock", clouds.SESSION)
        )
        self.vertex = vertex.Vertex(self.tokens)
        for name, value in self.container.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("GCE_METADATA_HOST", self.tokens.url.removeprefix("http://"))
        text = SECTIONS.replace("@bedrock@", self.bedrock.url).replace("@vertex@", self.vertex.url)
        self.host = MODES[mode]("", sections=text.replace("{", "{{").replace("}", "}}"))
        self.host.site.given_keys += [clouds.SECRET, clouds.SESSION, clouds.Container.TOKEN, "ya29.token-"]
        self.host.start()

    def status(self, model):
        return self.host.post(messages.body(model)).read().status

    def close(self):
        self.host.close()
        for server in (self.container, self.tokens, self.bedrock, self.vertex):
            server.close()


@pytest.fixture
def machine(monkeypatch):
    made = []

    def make(mode, **more):
        made.append(Machine(mode, monkeypatch, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("mode", RECOMMENDED)
def test_once_for_many_calls(machine, mode):
    """Twenty calls at once, in two processes."""
    m = machine(mode)
    with concurrent.futures.ThreadPoolExecutor(20) as crowd:
        assert list(crowd.map(m.status, ["m", "on-google"] * 10)) == [200] * 20
    assert 1 <= len(m.container.requests()) <= 2
    assert 1 <= len(m.tokens.given) <= 2


def test_never_used_when_over(machine):
    """Two seconds later they are over, and the servers are away: there is no call with them."""
    m = machine("lighttpd-socket", lifetime=2)
    assert m.status("m") == 200 and m.status("on-google") == 200
    m.container.close()
    m.tokens.failing = True
    seen = len(m.bedrock.requests())
    wait_until(lambda: m.status("m") == 500 and m.status("on-google") == 500, 10, "their end")
    asked = len(m.bedrock.requests())
    checks.refused(m.host.post(messages.body("m")).read(), 500, "api_error")
    assert len(m.bedrock.requests()) == asked >= seen
    assert all(not m.bedrock.signer.fault(r) for r in m.bedrock.requests())
    m.tokens.failing = False
    wait_until(lambda: m.status("on-google") == 200, 10, "new ones")
    assert "metadata end point" in m.host.text() and "token server" in m.host.text()
