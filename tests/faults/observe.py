"""Asks for one part of a fault, and says in the words of the table what became of it."""

import dataclasses
import json
import threading
import time

from further import PING
from lib import checks, messages, rawhttp, scripts

LIMIT_S = 40


@dataclasses.dataclass
class Asked:
    """What lib.rawhttp makes good answers of."""

    model: str
    streams: bool = False


def good(model, streams):
    return rawhttp.events(Asked(model)) if streams else rawhttp.whole(Asked(model))


def try_upstream(lab, fault, part):
    """One call that meets a fault of its upstream's; the outcome."""
    model = fault.model(part)
    streams = fault.streams(part)
    server = lab.servers.named.get(fault.server) if fault.server else lab.upstream
    arrived = threading.Event()
    if fault.does:
        server.on(model, script(fault.does, arrived))
    path = f"/anthropic/{lab.region(fault.server, part)}/v1/messages"
    with lab.turn(fault):
        begun = time.monotonic()
        call = lab.host.post(messages.body(model, stream=streams), path)
        if streams:
            to_first_event(call)
            arrived.set()
        call.read(LIMIT_S).leave()
        took = time.monotonic() - begun
    spared = part == "other" and call.status == 200
    wanted = fault.gets(Asked(model)) if fault.gets and not spared else good(model, streams)
    what, line = outcome(lab, call, streams, wanted, exactly=fault.gets is not None)
    assert line["model"] == model, line
    _further(lab, fault, part, call, line, took)
    if fault.does:
        asked = [request for request in server.requests(model) if not request.path.startswith("/spare")]
        assert len(asked) == 1 or fault.unheard, f"asked {len(asked)} times"
    if fault.cancels:
        server.requests(model)[0].wait_closed(10)
    return what


def script(does, arrived):
    """What the fault's upstream does; at the spare one it is well."""

    def answer(request, out):
        request.arrived = arrived
        (scripts.default if request.path.startswith("/spare") else does)(request, out)

    return answer


def to_first_event(call):
    call.read_head(LIMIT_S)
    event = call.next_event(LIMIT_S)
    while event and event.name == "ping":
        event = call.next_event(LIMIT_S)


def _further(lab, fault, part, call, line, took):
    if part == "other":
        # The first target was asked, and its answer was not waited for twice.
        assert call.status != 200 or call.headers.get("postern-tried"), call.headers
        return
    assert fault.least_s <= took < (fault.most_s or fault.least_s + LIMIT_S / 2), f"{took:.1f} s"
    if fault.also:
        fault.also(lab, call, line)


def outcome(lab, call, streams, wanted, exactly=True, limit=LIMIT_S):
    """What became of a call whose answer has been read, and its ledger line.

    wanted: the bytes of the whole answer, or those before an error event; not exactly: some whole events of them.
    """
    line = lab.ledger.find(limit, request_id=call.headers["request-id"])
    assert line["status"] == call.status and line["stream"] == streams, line
    if call.status != 200:
        return f"{_refusal(call)} {line['end']}", line
    assert call.ended == "clean", f"{call.ended}: {call.body[-500:]!r}"
    if not streams:
        assert call.body == wanted, call.body[:2000]
        return f"whole {line['end']}", line
    return f"{_stream(call, line, wanted, exactly)} {line['end']}", line


def _refusal(call):
    kind = call.json()["error"]["type"]
    checks.refused(call, call.status, kind)
    return f"{call.status} {kind}"


def _stream(call, line, wanted, exactly):
    assert call.headers["content-type"].lower().startswith("text/event-stream"), call.headers
    body = call.body.replace(PING, b"")
    at = body.rfind(b"event: error\n")
    if at < 0:
        assert body == wanted, f"{len(body)} bytes for {len(wanted)}: {body[-2000:]!r}"
        return "whole"
    kept, last = body[:at], body[at:]
    assert last.count(b"\n\n") == 1 and last.endswith(b"\n\n"), last
    whole = kept.endswith(b"\n\n") and wanted.startswith(kept)
    assert kept == wanted if exactly else not kept or whole, kept[-2000:]
    value = json.loads(last.partition(b"data: ")[2])
    ours = value["request_id"] == call.headers["request-id"]
    # What was counted until then is booked.
    assert b"message_start" not in kept or line["input_tokens"] == 11, line
    if ours:
        checks.error_body(call, value, value["error"]["type"])
    return f"{'event' if ours else 'passed'} {value['error']['type']}"
