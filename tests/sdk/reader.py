"""What the parser of OpenAI's Python library reads of a stream: takes one case on standard input, answers with the chunks."""

import json
import sys

from openai import OpenAI, Stream
from openai.types.chat import ChatCompletionChunk


def main():
    case = json.load(sys.stdin)
    client = OpenAI(base_url=case["base"], api_key=case["key"], max_retries=0)
    stream = client.post(
        "/messages",
        cast_to=ChatCompletionChunk,
        body=case["body"],
        stream=True,
        stream_cls=Stream[ChatCompletionChunk],
    )
    json.dump([chunk.model_dump(exclude_unset=True) for chunk in stream], sys.stdout)


main()
