"""Reading the envelope end point as a portal does: {success, code, message, data} and chunks of a chat completion."""

import json

STREAM_TYPE = "text/event-stream"


def refused(call, status, *words):
    """A whole answer that refuses. Returns the message."""
    shown = f"{call.status} {call.headers} {call.body[:2000]!r}"
    assert call.status == status, shown
    assert call.headers["content-type"].startswith("application/json"), shown
    failure(call.json(), status, *words)
    assert call.headers.get("request-id", "").startswith("req_"), shown
    return call.json()["message"]


def failure(value, status, *words):
    assert set(value) == {"success", "code", "message", "data"}, value
    assert (value["success"], value["code"], value["data"]) == (False, str(status), None), value
    assert isinstance(value["message"], str) and value["message"], value
    for word in words:
        assert word in value["message"], f"no {word!r} in {value}"


def whole(call):
    """The data of a good whole answer."""
    value = call.json()
    assert call.status == 200, call.body
    assert (value["success"], value["code"], value["message"]) == (True, "200", "successful"), value
    assert set(value) == {"success", "code", "message", "data"}, value
    return value["data"]


class Stream:
    """A whole stream, read line by line; comments are what they are."""

    def __init__(self, call):
        text = call.read().body.decode()
        assert call.status == 200, text
        assert call.headers["content-type"].startswith(STREAM_TYPE), call.headers
        self.ended = call.ended
        self.comments, self.done, self.failure, self.chunks = 0, False, None, []
        assert text == "" or text.endswith("\n\n"), text[-100:]
        for block in text.split("\n\n")[:-1]:
            self._take(block)

    def _take(self, block):
        assert "\n" not in block, block
        assert not self.done and not self.failure or block.startswith(":"), f"{block} after the end"
        if block.startswith(":"):
            self.comments += 1
        elif block == "data: [DONE]":
            self.done = True
        else:
            assert block.startswith("data: "), block
            value = json.loads(block[6:])
            if "success" in value:
                self.failure = value
            else:
                self._check(value)
                self.chunks.append(value)

    def _check(self, chunk):
        assert chunk["object"] == "chat.completion.chunk", chunk
        assert isinstance(chunk["id"], str) and isinstance(chunk["created"], int) and chunk["model"], chunk
        if not self.chunks:
            assert chunk["choices"][0]["delta"]["role"] == "assistant", chunk
        for choice in chunk["choices"]:
            assert set(choice) == {"index", "delta", "finish_reason"} and choice["index"] == 0, chunk
        if not chunk["choices"]:
            assert "usage" in chunk, chunk

    def fold(self):
        """The data that the same answer would have as a whole."""
        message = {"role": "assistant", "content": None}
        data = {"id": self.chunks[0]["id"], "model": self.chunks[0]["model"]}
        reason, calls, usage = None, {}, None
        for chunk in self.chunks:
            assert (chunk["id"], chunk["model"]) == (data["id"], data["model"])
            usage = chunk.get("usage", usage)
            for choice in chunk["choices"]:
                assert reason is None, "a delta after the reason of the end"
                reason = choice["finish_reason"]
                self._fold(choice["delta"], message, calls)
        if calls:
            message["tool_calls"] = [calls[index] for index in sorted(calls)]
        data["choices"] = [{"index": 0, "message": message, "finish_reason": reason}]
        return data if usage is None else {**data, "usage": usage}

    @staticmethod
    def _fold(delta, message, calls):
        for name in ("content", "reasoning_content"):
            if delta.get(name):
                message[name] = (message.get(name) or "") + delta[name]
        for call in delta.get("tool_calls", []):
            if call["index"] not in calls:
                assert call["index"] == len(calls) and call["type"] == "function", call
                calls[call["index"]] = {"id": call["id"], "type": "function", "function": {**call["function"]}}
            else:
                calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
