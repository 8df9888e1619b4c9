"""The real hosts with the program behind them, and the client libraries before them."""

import json
import os
import pathlib
import subprocess
import sys
import urllib.request

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import clients  # noqa: E402
from lib import clouds, hosts, messages, ports, postern, proc, upstream  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
MAX_BODY = 2 * 1024 * 1024

# A model that is there in another region only.
FAR = """
upstream "far" {{
    kind = "echo"
    regions = {{ "eu" }}
}}
model "claude-far" {{
    regions = {{ "eu" }}
    target "far" {{ id = "claude-far" }}
}}
"""
HOSTS = [hosts.LighttpdSocket, hosts.ApacheProxy]


class Gate:
    """A host in front of a scripted upstream, and the keys that clients have."""

    max_body = MAX_BODY
    upstream_key = postern.PROVIDER_KEY
    listed_models = ["claude-sonnet-4-5", "echo-model"]
    far_model = "claude-far"

    def __init__(self, host_class):
        self.upstream = upstream.Upstream()
        self.host = host_class(self.upstream.url, sections=postern.SECTIONS + FAR, max_body=MAX_BODY).start()
        self.url = f"http://127.0.0.1:{self.host.port}{self.host.prefix}"
        self.key = self.host.site.key.text
        self.narrow_key = self.host.site.add_key(models="claude-haiku-*").text

    def close(self):
        self.host.close()
        self.upstream.close()


class CloudGate:
    """A host whose upstreams are of every kind; what clients are told of each is to be the same."""

    def __init__(self, host_class, **options):
        self.clouds = clouds.Clouds()
        self.host = host_class("", sections=self.clouds.sections(), **options)
        self.host.site.given_keys += self.clouds.secrets()
        self.host.start()
        root = f"http://127.0.0.1:{self.host.port}{self.host.prefix}"
        self.url = root + "/anthropic/eu"
        self.api = root + "/api/v1"
        self.key = self.host.site.key.text

    def close(self):
        self.host.close()
        self.clouds.close()


class ChatServer:
    """A server of chat completions that is none of ours: aimock, out of npm."""

    PROGRAM = clients.BUILD / "aimock-node" / "node_modules" / "@copilotkit" / "aimock" / "dist" / "cli.js"
    KEY = "sk-key-of-the-chat-server"

    def __init__(self, fixtures):
        self.port = ports.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        newer = list(clients.BUILD.glob("newer-node/node_modules/node-linux-*/bin/node"))
        argv = [*newer, "node"][:1] + [self.PROGRAM, "-p", self.port, "-f", fixtures, "-c", 3]
        argv += ["--log-level", "silent", "--strict"]
        environment = {"PATH": os.environ["PATH"], "AIMOCK_API_KEYS": self.KEY}
        self.child = subprocess.Popen([str(a) for a in argv], env=environment, stdout=subprocess.DEVNULL)
        proc.wait_until(lambda: ports.accepts(self.port), 60, "the server of chat completions")

    def asked(self):
        """The body of the last request that it got."""
        headers = {"authorization": "Bearer " + self.KEY}
        request = urllib.request.Request(self.url + "/__aimock/journal", headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)[-1]["body"]

    def close(self):
        self.child.kill()
        self.child.wait()


CHAT_SECTIONS = """
upstream "chat" {{
    kind = "openai"
    url = "%s"
    api_key_file = "{provider_key}"
    regions = {{ "us" }}
    any_model = true
}}
workspace "default" {{ rpm = 0 tpm = 0 }}
"""


class ChatGate:
    """A host whose one upstream is that server."""

    def __init__(self, host_class):
        self.server = ChatServer(HERE / "chat_answers.json")
        self.host = host_class("", sections=CHAT_SECTIONS % self.server.url)
        self.host.site.provider_key.write_text(self.server.KEY + "\n")
        self.host.start()
        self.url = f"http://127.0.0.1:{self.host.port}{self.host.prefix}"
        self.key = self.host.site.key.text

    def close(self):
        self.host.close()
        self.server.close()


def pytest_configure(config):
    config.addinivalue_line("markers", "own_sdk: calls that only Anthropic's own libraries have")


def pytest_collection_modifyitems(items):
    """One host and one client are one worker's, so that each is started once."""
    for item in items:
        params = item.callspec.params if hasattr(item, "callspec") else {}
        for own in ("follower", "portal"):
            if own in params:
                item.add_marker(pytest.mark.xdist_group(f"{own}-{params[own].name}"))
        if "gate" in params:
            item.add_marker(pytest.mark.xdist_group(f"{params['gate'].name}-{params['client'].name}"))


def pytest_generate_tests(metafunc):
    """Every test runs for every host and every library that has the call."""
    if "gate" not in metafunc.fixturenames:
        return
    own = metafunc.definition.get_closest_marker("own_sdk")
    libraries = [one for one in clients.LIBRARIES if not (own and one.ai)]
    pairs = [(host, one) for host in HOSTS for one in libraries]
    metafunc.parametrize("gate,client", pairs, indirect=True, scope="session",
                         ids=[f"{host.name}-{one.name}" for host, one in pairs])


@pytest.fixture(scope="session")
def started():
    """What a worker has started so far, by class of host and by library."""
    things = {}
    yield things
    failures = []
    for thing in things.values():
        try:
            thing.close()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)


@pytest.fixture(scope="session")
def gate(request, started):
    if request.param not in started:
        started[request.param] = Gate(request.param)
    return started[request.param]


@pytest.fixture(scope="session")
def cloud_gate(gate, started):
    """A gate before the clouds, on the same sort of host."""
    host_class = type(gate.host)
    if ("clouds", host_class) not in started:
        started["clouds", host_class] = CloudGate(host_class)
    return started["clouds", host_class]


@pytest.fixture(scope="session")
def chat_gate(gate, started):
    """A gate before a server of chat completions, on the same sort of host."""
    host_class = type(gate.host)
    if ("chat", host_class) not in started:
        started["chat", host_class] = ChatGate(host_class)
    return started["chat", host_class]


@pytest.fixture(scope="session")
def client(request, started):
    if request.param not in started:
        started[request.param] = clients.Client(request.param)
    return started[request.param]
