"""Answers of the scripted upstream that real clients take apart: tools and thinking, whole and streamed."""

from lib import messages, scripts

SIGNATURE = "EqoBCkgIARABGAIiQL2Uo+/x9==\u00e9"
THOUGHT = "Let me think: \u201c<b>\u201d & more \U0001f914"
TOOL = {"type": "tool_use", "id": "toolu_01", "name": "get_weather", "input": {"city": "Z\u00fcrich"}}
TEXT = "Gr\u00fc\u00dfe \"you\" \u2028 \U0001f30d"
PARTIAL = ["", '{"ci', 'ty": "Z\u00fc', 'rich"}']


def block(index, start, deltas):
    """The events of one content block."""
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def text_block(index, text):
    return block(index, {"type": "text", "text": ""}, [{"type": "text_delta", "text": text}])


def tool_block(index):
    deltas = [{"type": "input_json_delta", "partial_json": part} for part in PARTIAL]
    return block(index, {**TOOL, "input": {}}, deltas)


def thinking_block(index):
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in (THOUGHT[:9], THOUGHT[9:])]
    deltas.append({"type": "signature_delta", "signature": SIGNATURE})
    return block(index, {"type": "thinking", "thinking": "", "signature": ""}, deltas)


def answer(content, blocks, stop_reason):
    """A script that answers with whole blocks or with their events, as the request asks."""

    def script(request, out):
        if not request.streams:
            whole = messages.answer(request.model)
            whole.update(content=content, stop_reason=stop_reason)
            return scripts.send(200, whole)(request, out)
        closing = messages.closing()[1:]
        closing[0]["delta"]["stop_reason"] = stop_reason
        out.head(200, scripts.STREAM_HEADERS)
        for event in [messages.opening(request.model)[0], *blocks(), {"type": "ping"}, *closing]:
            out.event(event)
        out.end()

    return script


plain = answer([{"type": "text", "text": TEXT}], lambda: text_block(0, TEXT), "end_turn")
tools = answer(
    [{"type": "text", "text": "Looking."}, TOOL],
    lambda: [*text_block(0, "Looking."), *tool_block(1)],
    "tool_use",
)
thinking = answer(
    [{"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE}, {"type": "text", "text": "Done."}],
    lambda: [*thinking_block(0), *text_block(1, "Done.")],
    "end_turn",
)
