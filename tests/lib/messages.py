"""Bodies and events of the Messages API, as its clients send and its servers answer them."""

import json
import uuid


# What a client says and hears in the tests; no log may hold either.
PROMPT = "what-the-client-asked"
ANSWER = "what-the-model-answered"


def unique_model(label="model"):
    """A model name that no other test uses, so that an upstream's script can be chosen by it."""
    return f"{label}-{uuid.uuid4().hex[:12]}"


def body(model, stream=False, text=PROMPT, max_tokens=64, **more):
    """A request body, in bytes."""
    turn = {
        "model": model,
        "max_tokens": max_tokens,
        "messages": [{"role": "user", "content": text}],
        **({"stream": True} if stream else {}),
        **more,
    }
    return json.dumps(turn).encode()


def answer(model, text=ANSWER, input_tokens=11, output_tokens=7, **usage):
    """A whole message."""
    return {
        "id": "msg_test",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": input_tokens, "output_tokens": output_tokens, **usage},
    }


def opening(model, input_tokens=11, **usage):
    """The events of a stream up to its first text."""
    message = answer(model, input_tokens=input_tokens, output_tokens=1, **usage)
    message.update(content=[], stop_reason=None)
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]


def delta(text):
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def closing(output_tokens=7):
    """The events of a stream after its last text."""
    return [
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {"output_tokens": output_tokens},
        },
        {"type": "message_stop"},
    ]


def stream(model, texts=(ANSWER, " and more"), **usage):
    """All events of a stream."""
    output_tokens = usage.pop("output_tokens", 7)
    return opening(model, **usage) + [delta(t) for t in texts] + closing(output_tokens)


def error(kind, message):
    """The body of an error, which is also the data of an error event."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_upstream"}


def sse(event, newline="\n"):
    """An event on the wire."""
    return f"event: {event['type']}{newline}data: {json.dumps(event)}{newline}{newline}".encode()
