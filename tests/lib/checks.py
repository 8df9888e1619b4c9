"""What every answer of the gateway has to be, whoever looks at it."""

import re

from .client import Call

REQUEST_ID = re.compile(r"req_[0-9A-Za-z]+")


def refused(call, status, kind, *words):
    """A whole answer that refuses in the API's error shape, with words in its message. Returns the message."""
    shown = f"{call.status} {call.headers} {call.body[:2000]!r}"
    assert call.status == status, shown
    assert call.headers["content-type"].startswith("application/json"), shown
    assert call.ended == "clean", f"{call.ended}: {shown}"
    error_body(call, call.json(), kind)
    message = call.json()["error"]["message"]
    for word in words:
        assert word in message, f"no {word!r} in: {shown}"
    return message


def error_body(call, value, kind):
    """The API's error shape, as a body or as the data of an event, and the request id that the header has too."""
    assert value["type"] == "error", value
    assert value["error"]["type"] == kind, value
    assert isinstance(value["error"]["message"], str) and value["error"]["message"], value
    assert REQUEST_ID.fullmatch(call.headers.get("request-id", "")), call.headers
    assert value["request_id"] == call.headers["request-id"], (value, call.headers)


def error_event(call, kind, limit=None):
    """The rest of a started stream ends in an error event of this type. Returns its message."""
    events = list(call.events(limit))
    assert events, f"no event; {call.status} {call.headers} {call.ended} {call.body!r}"
    last = events[-1]
    assert last.name == "error", f"the stream ends in {last}; {call.ended}"
    assert call.body.endswith(b"\n\n"), call.body[-200:]
    error_body(call, last.data, kind)
    return last.data["error"]["message"]


def explicit_end(call, limit):
    """Reads a stream to its end, which tells what became of it: message_stop, an error event, or a broken transfer."""
    assert isinstance(call, Call)
    events = list(call.events(limit))
    name = events[-1].name if events else None
    told = name in ("message_stop", "error") or call.ended in ("truncated", "reset")
    assert told, f"{name}, {call.ended}: {call.body!r}"
    return name
