"""The narrowed pattern that each shipped file shows in a comment, for a site that has other content: taken as written."""

import re

import pytest
from lib import checks, hosts, messages

ALTERNATIVE = re.compile(r'^ *#  *((?:ProxyPassMatch|ScriptAliasMatch) "\^.*(?:\\\n *#.*)?|location ~ .*)$', re.MULTILINE)
ACTIVE = re.compile(r'^ *(?:ProxyPass|ScriptAliasMatch) ".*$|^location / {$', re.MULTILINE)
PATTERN = '"^/(v1|api|anthropic|messages|healthz)(/|$)"'


class Narrowed:
    """Puts the line in the comment into the place of the one in force."""

    def take_shipped(self):
        path = super().take_shipped()
        text = path.read_text()
        line = ALTERNATIVE.search(text).group(1).replace("#", "")
        text, changed = ACTIVE.subn(lambda _: line, text, count=1)
        assert changed == 1
        text = text.replace('<Location "/">', f"<LocationMatch {PATTERN}>").replace("</Location>", "</LocationMatch>")
        path.write_text(text)
        return path


class NarrowedApacheProxy(Narrowed, hosts.ApacheProxy):
    pass


class NarrowedApacheFcgid(Narrowed, hosts.ApacheFcgid):
    pass


class NarrowedApacheCgi(Narrowed, hosts.ApacheCgi):
    pass


class NarrowedNginx(Narrowed, hosts.Nginx):
    pass


class NarrowedLighttpd(hosts.LighttpdSocket):
    """Here the pattern is a value that an administrator may set."""

    settings = hosts.LighttpdSocket.settings + f"var.postern_url := {PATTERN}\n"


class NarrowedLighttpdCgi(hosts.LighttpdCgi):
    settings = hosts.LighttpdCgi.settings + f"var.postern_url := {PATTERN}\n"


@pytest.fixture(
    params=[
        NarrowedApacheProxy,
        NarrowedApacheFcgid,
        NarrowedApacheCgi,
        NarrowedLighttpd,
        NarrowedLighttpdCgi,
        NarrowedNginx,
    ],
    ids=lambda mode: mode.name,
)
def narrowed(request, upstream):
    host = request.param(upstream.url).start()
    yield host
    host.close()


def test_only_the_paths_of_the_api(narrowed, model):
    for path in ("/v1/messages", "/messages", "/api/anthropic/v1/messages"):
        assert narrowed.post(messages.body(model), path=path).read().status == 200, path
    checks.refused(narrowed.request("GET", "/v1/nothing", narrowed.auth()), 404, "not_found_error")
    for path in ("/v1x/messages", "/page.html"):
        answer = narrowed.request("GET", path)
        assert "request-id" not in answer.headers, path
