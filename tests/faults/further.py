"""What has to be true of a faulty call besides its outcome. Each takes or makes a function (lab, call, line)."""

import re

from lib import messages

PING = b'event: ping\ndata: {"type":"ping"}\n\n'


def pinged(lab, call, line):
    """A stream is kept alive by pings of the gate's, one after the other, and nothing else is."""
    pings = call.body.count(PING)
    assert pings >= 2 if line["stream"] else pings == 0, call.body


def counted(name, tokens):
    def check(lab, call, line):
        assert line[name] == tokens, line

    return check


def same_words(text):
    def check(lab, call, line):
        assert call.json()["error"]["message"] == text, call.body

    return check


def has_header(name, value):
    def check(lab, call, line):
        assert call.headers.get(name) == value, call.headers

    return check


def lacks_header(*names):
    def check(lab, call, line):
        assert not set(names) & set(call.headers), call.headers

    return check


def not_told(lab, call, line):
    """The client learns nothing of our account and is told not to try again; the log says whose fault it is."""
    assert b"x-api-key" not in call.body and b"credit" not in call.body, call.body
    assert call.status == 200 or call.headers["x-should-retry"] == "false", call.headers
    assert re.search(r"event=credential .*upstream=us", lab.host.text())


def went_nowhere(lab, call, line):
    """Nobody was asked at the place where the answer pointed, least of all with our credential."""
    assert not [r for r in lab.upstream.requests() if r.path.startswith("/stolen")]


def is_json(lab, call, line):
    assert call.headers["content-type"].startswith("application/json"), call.headers


def logged(words):
    def check(lab, call, line):
        texts = [text for text in lab.host.text().splitlines() if line["request_id"] in text and words in text]
        assert len(texts) == 1, texts

    return check


def next_too(server):
    """Calls that go out on the same connection, once all has come on it, are answered by answers of their own."""

    def check(lab, call, line):
        assert lab.servers.named[server].requests(line["model"])[0].done.wait(10)
        for _ in range(4):
            with lab.host.post(messages.body("next"), f"/anthropic/{server}/v1/messages") as after:
                assert after.read().status == 200 and after.json()["model"] == "next", after.body

    return check
