"""A scripted Bedrock: it takes what InvokeModel takes, checks who asks, and answers in frames.

The scripts of lib.scripts work here too: their events go out as chunks of an event stream, and their errors in AWS's
shape.
"""

import base64
import binascii
import json
import re
import struct
import urllib.parse

from . import scripts, upstream

PATH = re.compile(r"/model/([^/?]+)/(invoke|invoke-with-response-stream|count-tokens)")
FRAMED = "application/vnd.amazon.eventstream"

# What AWS calls an error that the Messages API names otherwise.
NAMES = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}


def header(name, value):
    """A header of a frame, of type string."""
    name, value = name.encode(), value.encode()
    return struct.pack("!B", len(name)) + name + b"\x07" + struct.pack("!H", len(value)) + value


def frame(headers, payload):
    """A frame of an event stream: headers is a list of (name, value)."""
    packed = b"".join(header(*h) for h in headers)
    prelude = struct.pack("!II", len(packed) + len(payload) + 16, len(packed))
    head = prelude + struct.pack("!I", binascii.crc32(prelude)) + packed + payload
    return head + struct.pack("!I", binascii.crc32(head))


def chunk(event):
    """An event of the Messages API, as a dict or in bytes, in its frame."""
    data = event if isinstance(event, bytes) else json.dumps(event).encode()
    payload = {"bytes": base64.b64encode(data).decode(), "p": "abcdefghijklmno"[: len(data) % 15]}
    head = [(":event-type", "chunk"), (":content-type", "application/json"), (":message-type", "event")]
    return frame(head, json.dumps(payload).encode())


def exception(name, message):
    head = [(":exception-type", name), (":content-type", "application/json"), (":message-type", "exception")]
    return frame(head, json.dumps({"message": message}).encode())


def error_frame(code, message):
    return frame([(":error-code", code), (":error-message", message), (":message-type", "error")], b"")


class FramedOut(upstream.Out):
    """An Out whose event streams are framed, and whose errors are AWS's."""

    def head(self, status=200, headers=(), length=None, chunked=True):
        if dict(headers).get("content-type", "").startswith("text/event-stream"):
            headers = [("content-type", FRAMED)]
        super().head(status, [("x-amzn-requestid", "req_upstream"), *headers], length, chunked)

    def event(self, event, newline="\n"):
        self.write(chunk(with_metrics(event)))


def with_metrics(event):
    """message_stop tells what the call took."""
    if event["type"] != "message_stop":
        return event
    counts = {"inputTokenCount": 11, "outputTokenCount": 7, "invocationLatency": 20, "firstByteLatency": 10}
    return {**event, "amazon-bedrock-invocationMetrics": counts}


def error(status, name, message):
    """An error as AWS answers it."""
    kind = (("x-amzn-errortype", name + ":http://internal.amazon.com/coral/com.amazon.bedrock/"),)
    return scripts.send(status, {"message": message}, scripts.JSON_HEADERS + kind)


def frames(*data, cut=False):
    """A stream of these bytes, which may be no whole frames."""

    def script(request, out):
        out.head(200, scripts.STREAM_HEADERS)
        for piece in data:
            out.write(piece)
        if cut:
            out.cut()
        out.end()

    return script


def default(request, out):
    verb = PATH.fullmatch(request.path).group(2)
    if verb == "count-tokens":
        scripts.send(200, {"inputTokens": 23})(request, out)
    elif verb == "invoke":
        scripts.message()(request, out)
    else:
        scripts.stream()(request, out)


class Bedrock(upstream.Upstream):
    """signer checks signatures; bearer is an API key that is let in instead."""

    default = staticmethod(default)

    def __init__(self, signer, bearer=None):
        super().__init__()
        self.signer = signer
        self.bearer = bearer

    def model_of(self, request):
        found = PATH.fullmatch(request.path.split("?")[0])
        return urllib.parse.unquote(found.group(1)) if found else None

    def out(self, request):
        return FramedOut(request)

    def refusal(self, request):
        fault = self._stranger(request)
        if fault:
            return error(403, "InvalidSignatureException", fault)
        if not request.model:
            return error(404, "UnknownOperationException", "no such operation")
        if request.path.endswith("/count-tokens"):
            return self._bad_count(request)
        return _bad_body(request.json)

    def _stranger(self, request):
        if self.bearer and request.header("authorization") == f"Bearer {self.bearer}":
            return None
        return self.signer.fault(request)

    def _bad_count(self, request):
        wrapped = request.json["input"]["invokeModel"]["body"]
        return _bad_body(json.loads(base64.b64decode(wrapped, validate=True)))


def _bad_body(body):
    """What InvokeModel refuses of a body."""
    for name in ("model", "stream"):
        if name in body:
            return error(400, "ValidationException", f"{name}: Extra inputs are not permitted")
    if body.get("anthropic_version") not in ("bedrock-2023-05-31", "2026-10-21"):
        return error(400, "ValidationException", "anthropic_version: Field required")
    if "max_tokens" not in body:
        return error(400, "ValidationException", "max_tokens: Field required")
    return None
