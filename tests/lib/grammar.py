"""The grammar of the Messages API's streams (messages-api.md 4), checked event by event, and their fold."""

import json

DELTAS = {
    "text": {"text_delta", "citations_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "redacted_thinking": set(),
    "tool_use": {"input_json_delta"},
}


class Fold:
    """Takes the events of a stream; anything out of order is an assertion. `message` is what they come to."""

    def __init__(self):
        self.message = None
        self.open = None
        self.ended = False
        self.stopped = False

    def take(self, event):
        name, data = event.name, event.data
        assert not self.ended, f"{event} behind the end"
        assert data["type"] == name, event
        assert event.raw.count(b"\n") == 3 and event.raw.startswith(b"event: "), event.raw
        if name != "ping":
            getattr(self, "_" + name)(data)

    def _message_start(self, data):
        assert self.message is None, "a second message_start"
        message = data["message"]
        assert message["content"] == [] and message["stop_reason"] is None, message
        assert (message["type"], message["role"]) == ("message", "assistant") and message["id"], message
        assert isinstance(message["usage"]["input_tokens"], int), message
        self.message = json.loads(json.dumps(message))

    def _content_block_start(self, data):
        assert self.open is None and not self.stopped, data
        assert data["index"] == len(self.message["content"]), data
        self.open = dict(data["content_block"])
        self.partial = ""

    def _content_block_delta(self, data):
        delta, block = data["delta"], self.open
        assert block is not None and data["index"] == len(self.message["content"]), data
        assert delta["type"] in DELTAS[block["type"]], data
        if delta["type"] == "text_delta":
            block["text"] += delta["text"]
        elif delta["type"] == "thinking_delta":
            block["thinking"] += delta["thinking"]
        elif delta["type"] == "signature_delta":
            block["signature"] += delta["signature"]
        else:
            self.partial += delta["partial_json"]

    def _content_block_stop(self, data):
        assert self.open is not None and data["index"] == len(self.message["content"]), data
        if self.open["type"] == "tool_use" and self.partial:
            self.open["input"] = json.loads(self.partial)
        self.message["content"].append(self.open)
        self.open = None

    def _message_delta(self, data):
        assert self.open is None and not self.stopped, data
        assert isinstance(data["usage"]["output_tokens"], int), data
        self.stopped = data["delta"]["stop_reason"] is not None
        self.message.update(data["delta"])
        self.message["usage"].update(data["usage"])

    def _message_stop(self, data):
        assert self.stopped, "message_stop without a stop_reason"
        self.ended = True

    def _error(self, data):
        assert data["error"]["type"] and data["error"]["message"], data
        self.ended = True


def fold(call):
    """The message that a whole, good stream comes to."""
    folding = Fold()
    for event in call.events():
        folding.take(event)
    assert folding.ended and folding.message and call.ended == "clean", (call.status, call.ended, call.body[-500:])
    return folding.message
