"""A scripted server of chat completions, as strict about requests as OpenAI's own.

The scripts of lib.scripts work here too: their events go out as chunks, their messages as chat completions, and their
errors in OpenAI's shape.
"""

import json

from . import scripts, upstream

PATH = "/v1/chat/completions"
MEMBERS = {
    "model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "stop", "stream",
    "stream_options", "tools", "tool_choice", "parallel_tool_calls", "user", "reasoning_effort", "response_format",
}
FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


def error(status, message, kind=None, code=None, headers=()):
    """An error as OpenAI answers it."""
    value = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return scripts.send(status, Raw(value), scripts.JSON_HEADERS + tuple(headers))


class Raw(bytes):
    """What goes out as it is, and is not translated."""

    def __new__(cls, value):
        return super().__new__(cls, value if isinstance(value, bytes) else json.dumps(value).encode())


def usage_of(usage):
    prompt, output = usage.get("input_tokens", 0), usage.get("output_tokens", 0)
    cached = usage.get("cache_read_input_tokens") or 0
    return {
        "prompt_tokens": prompt + cached,
        "completion_tokens": output,
        "total_tokens": prompt + cached + output,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def completion(message):
    """A message of the Messages API as a chat completion."""
    said = {"role": "assistant", "content": None}
    for block in message["content"]:
        if block["type"] == "text":
            said["content"] = (said["content"] or "") + block["text"]
        elif block["type"] == "thinking":
            said["reasoning_content"] = said.get("reasoning_content", "") + block["thinking"]
        elif block["type"] == "tool_use":
            function = {"name": block["name"], "arguments": json.dumps(block["input"], ensure_ascii=False)}
            call = {"id": block["id"], "type": "function", "function": function}
            said.setdefault("tool_calls", []).append(call)
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": FINISHES[message["stop_reason"]]}
    return {
        "id": message["id"],
        "object": "chat.completion",
        "created": 1700000000,
        "model": message["model"] + "-0613",
        "choices": [choice],
        "usage": usage_of(message["usage"]),
        "system_fingerprint": None,
    }


def failure(value):
    """An error of the Messages API in OpenAI's shape."""
    inner = value["error"]
    return {"error": {"message": inner["message"], "type": inner["type"], "param": None, "code": None}}


class ChatOut(upstream.Out):
    """An Out that says in chunks and chat completions what scripts say in events and messages."""

    def __init__(self, request):
        super().__init__(request)
        self.waiting = None
        self.id, self.calls, self.usage = "chatcmpl-1", 0, {}

    def head(self, status=200, headers=(), length=None, chunked=True):
        headers = [("x-request-id", "req_upstream_chat"), *headers]
        if length is not None and dict(headers).get("content-type") == "application/json":
            self.waiting = (status, headers, length, chunked)
        else:
            super().head(status, headers, length, chunked)

    def write(self, data):
        if self.waiting:
            (status, headers, length, chunked), self.waiting = self.waiting, None
            told = data if isinstance(data, Raw) else self._tell(data)
            super().head(status, headers, length + len(told) - len(data), chunked)
            data = told
        super().write(data)

    def _tell(self, data):
        try:
            value = json.loads(data)
        except ValueError:
            return data
        if isinstance(value, dict) and value.get("type") == "message":
            return json.dumps(completion(value)).encode()
        if isinstance(value, dict) and value.get("type") == "error":
            return json.dumps(failure(value)).encode()
        return data

    def chunk(self, delta=None, finish=None, **members):
        choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        value = {
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": 1700000000,
            "model": "gpt",
            "choices": choices,
            "usage": None,
            **members,
        }
        self.write(b"data: " + json.dumps(value).encode() + b"\n\n")

    def event(self, event, newline="\n"):
        getattr(self, "on_" + event["type"])(event)

    def on_ping(self, event):
        self.write(b": waiting\n\n")

    def on_error(self, event):
        self.write(b"data: " + json.dumps(failure(event)).encode() + b"\n\n")

    def on_message_start(self, event):
        self.id, self.usage = event["message"]["id"], dict(event["message"]["usage"])
        self.chunk({"role": "assistant", "content": ""})

    def on_content_block_start(self, event):
        block = event["content_block"]
        if block["type"] == "tool_use":
            function = {"name": block["name"], "arguments": ""}
            call = {"index": self.calls, "id": block["id"], "type": "function", "function": function}
            self.calls += 1
            self.chunk({"tool_calls": [call]})

    def on_content_block_delta(self, event):
        delta = event["delta"]
        if delta["type"] == "text_delta":
            self.chunk({"content": delta["text"]})
        elif delta["type"] == "thinking_delta":
            self.chunk({"reasoning_content": delta["thinking"]})
        elif delta["type"] == "input_json_delta":
            call = {"index": self.calls - 1, "function": {"arguments": delta["partial_json"]}}
            self.chunk({"tool_calls": [call]})

    def on_content_block_stop(self, event):
        pass

    def on_message_delta(self, event):
        self.usage.update(event["usage"])
        self.chunk({}, FINISHES[event["delta"]["stop_reason"]])

    def on_message_stop(self, event):
        if (self.request.json.get("stream_options") or {}).get("include_usage"):
            self.chunk(usage=usage_of(self.usage))
        self.write(b"data: [DONE]\n\n")


def chunks(*values, done=True, end="clean"):
    """A stream of these chunks: dicts, or bytes as they are. end: "clean", "cut" or "reset"."""

    def script(request, out):
        out.head(200, scripts.STREAM_HEADERS)
        for value in values:
            out.write(value if isinstance(value, bytes) else b"data: " + json.dumps(value).encode() + b"\n\n")
        if done:
            out.write(b"data: [DONE]\n\n")
        if end == "cut":
            out.cut()
        if end == "reset":
            out.wait(0.2)
            out.reset()
        out.end()

    return script


def delta(finish=None, **members):
    """A chunk with one choice."""
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": members, "finish_reason": finish}]}


def counts(prompt=11, completion_tokens=7):
    """The chunk with the usage."""
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [],
            "usage": {"prompt_tokens": prompt, "completion_tokens": completion_tokens}}


class OpenAI(upstream.Upstream):
    """key is what lets in; None: everybody may."""

    def __init__(self, key=None):
        super().__init__()
        self.key = key

    def out(self, request):
        return ChatOut(request)

    def refusal(self, request):
        if self.key and request.header("authorization") != f"Bearer {self.key}":
            return error(401, f"Incorrect API key provided: {request.header('authorization')}.",
                         "invalid_request_error", "invalid_api_key")
        if (request.method, request.path) != ("POST", PATH):
            return error(404, f"Unknown request URL: {request.method} {request.path}", "invalid_request_error")
        fault = fault_of(request.json)
        return error(400, fault, "invalid_request_error") if fault else None


def fault_of(body):
    """What OpenAI's own server refuses of a body; None: nothing."""
    unknown = set(body) - MEMBERS
    if unknown:
        return f"Unrecognized request argument supplied: {unknown.pop()}"
    if body.get("stream_options") and not body.get("stream"):
        return "The 'stream_options' parameter is only allowed when 'stream' is enabled."
    if "tool_choice" in body and not body.get("tools"):
        return "'tool_choice' is only allowed when 'tools' are specified."
    if not body["messages"]:
        return "[] is too short - 'messages'"
    return _fault_of_messages(body["messages"])


def _fault_of_messages(messages):
    owed = []
    for at, message in enumerate(messages):
        role = message["role"]
        if owed and role != "tool":
            return f"An assistant message with 'tool_calls' must be followed by tool messages. (messages.[{at}].role)"
        if role == "tool":
            if message["tool_call_id"] not in owed:
                return "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
            owed.remove(message["tool_call_id"])
        elif role == "assistant":
            owed = [call["id"] for call in message.get("tool_calls", [])]
            if message["content"] is None and not owed:
                return f"Invalid value for 'content': expected a string, got null. (messages.[{at}].content)"
        elif role not in ("user", "system", "developer"):
            return f"'{role}' is not one of ['system', 'assistant', 'user', 'function', 'tool', 'developer']"
        if not isinstance(message["content"], (str, list, type(None))) or message["content"] == []:
            return f"Invalid type for 'messages[{at}].content'"
    return f"The following tool_call_ids did not have response messages: {owed}" if owed else None
