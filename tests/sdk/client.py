"""What the Python library sees. Reads one case a line from standard input, answers one line each.

A case: {"op": ..., "base": ..., "key": ..., "model": ..., and options}. An answer holds what the
caller of the library got hold of, or under "error" the exception that came instead; and under "ended"
when that was, in Unix time.
"""

import json
import sys
import time

import anthropic

TOOL = {
    "name": "get_weather",
    "description": "Weather at a place",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def arguments(case):
    """The keyword arguments of a call, from the options of its case."""
    args = {
        "model": case["model"],
        "messages": [{"role": "user", "content": case.get("text", "Hello")}],
    }
    if case["op"] != "count":
        args["max_tokens"] = case.get("max_tokens", 2048)
    if case.get("tools"):
        args["tools"] = [TOOL]
    if case.get("thinking"):
        args["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    if case.get("size"):
        args["messages"][0]["content"] = "x" * case["size"]
    if case.get("extra"):
        args["extra_body"] = case["extra"]
    if case.get("beta"):
        args["extra_headers"] = {"anthropic-beta": case["beta"]}
    return args


def message_seen(message, request_id):
    return {
        "id": message.id,
        "model": message.model,
        "blocks": [block.model_dump(exclude_none=True) for block in message.content],
        "stop_reason": message.stop_reason,
        "input_tokens": message.usage.input_tokens,
        "output_tokens": message.usage.output_tokens,
        "request_id": request_id,
    }


def do_create(client, case):
    message = client.messages.create(**arguments(case))
    return message_seen(message, message._request_id)


def do_stream(client, case):
    """The raw iterator, which itself does not notice that an end is missing."""
    events = []
    text = []
    partial = []
    with client.messages.create(**arguments(case), stream=True) as stream:
        request_id = stream.response.headers.get("request-id")
        for event in stream:
            events.append(event.type)
            if event.type == "content_block_delta" and event.delta.type == "text_delta":
                text.append(event.delta.text)
            if event.type == "content_block_delta" and event.delta.type == "input_json_delta":
                partial.append(event.delta.partial_json)
    return {"events": events, "text": text, "partial": partial, "request_id": request_id}


def do_helper(client, case):
    with client.messages.stream(**arguments(case)) as stream:
        request_id = stream.request_id
        message = stream.get_final_message()
    return message_seen(message, request_id)


def do_count(client, case):
    counted = client.messages.count_tokens(**arguments(case))
    return {"input_tokens": counted.input_tokens, "request_id": counted._request_id}


def do_models(client, case):
    page = client.models.list()
    return {
        "ids": [model.id for model in page.data],
        "types": sorted({model.type for model in page.data}),
        "has_more": page.has_more,
        "first_id": page.first_id,
        "last_id": page.last_id,
        "request_id": page._request_id,
        "all": [model.id for model in client.models.list(limit=1)],
    }


def do_model(client, case):
    model = client.models.retrieve(case["model"])
    return {"ids": [model.id], "types": [model.type], "request_id": model._request_id}


def error_seen(error):
    """The parts of an exception that programs act on."""
    body = getattr(error, "body", None)
    inner = body.get("error") if isinstance(body, dict) else None
    response = getattr(error, "response", None)
    return {
        "class": type(error).__name__,
        "family": [base.__name__ for base in type(error).__mro__ if base.__module__ != "builtins"],
        "status": getattr(error, "status_code", None),
        "type": inner.get("type") if isinstance(inner, dict) else None,
        "message": inner.get("message") if isinstance(inner, dict) else str(error),
        "request_id": getattr(error, "request_id", None),
        "body_request_id": body.get("request_id") if isinstance(body, dict) else None,
        "retry_after": response.headers.get("retry-after") if response is not None else None,
    }


def answer(case):
    client = anthropic.Anthropic(
        base_url=case["base"],
        api_key=case["key"],
        max_retries=case.get("retries", 0),
        timeout=case.get("timeout", 30),
    )
    try:
        with client:
            return globals()["do_" + case["op"]](client, case)
    except Exception as error:
        return {"error": error_seen(error)}


def main():
    print(json.dumps({"version": anthropic.__version__}), flush=True)
    for line in sys.stdin:
        seen = answer(json.loads(line))
        print(json.dumps({**seen, "ended": time.time()}), flush=True)


main()
