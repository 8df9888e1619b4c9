// What the AI SDK sees through its Anthropic provider. Reads one case a line from standard input,
// answers one line each, in the words of client.py. SDK_DIR names the folder of the libraries.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(process.env.SDK_DIR + '/');
const { generateText, streamText, tool, jsonSchema } = require('ai');
const { createAnthropic } = require('@ai-sdk/anthropic');
const { version } = require('./node_modules/ai/package.json');

globalThis.AI_SDK_LOG_WARNINGS = false;

const weather = tool({
  description: 'Weather at a place',
  inputSchema: jsonSchema({ type: 'object', properties: { city: { type: 'string' } } }),
});

function request(c) {
  const provider = createAnthropic({ baseURL: c.base, apiKey: c.key });
  const r = {
    model: provider(c.model),
    prompt: c.size ? 'x'.repeat(c.size) : c.text ?? 'Hello',
    maxOutputTokens: c.max_tokens ?? 2048,
    maxRetries: c.retries ?? 0,
    abortSignal: AbortSignal.timeout((c.timeout ?? 30) * 1000),
  };
  if (c.tools) r.tools = { get_weather: weather };
  if (c.thinking)
    r.providerOptions = { anthropic: { thinking: { type: 'enabled', budgetTokens: 1024 } } };
  return r;
}

function block(part) {
  if (part.type === 'text') return { type: 'text', text: part.text };
  if (part.type === 'reasoning')
    return {
      type: 'thinking',
      thinking: part.text,
      signature: part.providerMetadata?.anthropic?.signature,
    };
  if (part.type === 'tool-call')
    return { type: 'tool_use', id: part.toolCallId, name: part.toolName, input: part.input };
  return { type: part.type };
}

function resultSeen(content, finish, usage, response) {
  return {
    id: response.id,
    model: response.modelId,
    blocks: content.map(block),
    stop_reason: finish,
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
    request_id: response.headers?.['request-id'],
  };
}

const operations = {
  async create(c) {
    const { content, finishReason, usage, response } = await generateText(request(c));
    return resultSeen(content, finishReason, usage, response);
  },

  // An error in a stream is a part of it, and the promises of the result then reject as well.
  async stream(c) {
    const seen = { events: [], text: [], partial: [] };
    const result = streamText({ ...request(c), onError() {} });
    for await (const part of result.fullStream) {
      seen.events.push(part.type);
      if (part.type === 'text-delta') seen.text.push(part.text);
      if (part.type === 'tool-input-delta') seen.partial.push(part.delta);
      if (part.type === 'error') return { ...seen, error: errorSeen(part.error) };
    }
    const response = await result.response;
    return {
      ...seen,
      ...resultSeen(await result.content, await result.finishReason, await result.usage, response),
    };
  },
};

function bodyRequestId(text) {
  try {
    return JSON.parse(text).request_id ?? null;
  } catch {
    return null;
  }
}

// A failed call carries its status and headers; an error event inside a stream is the bare event. Of
// several attempts the last one tells.
function errorSeen(failed) {
  const error = failed.lastError ?? failed;
  return {
    class: error.name ?? typeof error,
    family: [error.name],
    status: error.statusCode ?? null,
    type: error.data?.error?.type ?? error.type ?? null,
    message: error.data?.error?.message ?? error.message ?? JSON.stringify(error),
    request_id: error.responseHeaders?.['request-id'] ?? null,
    body_request_id: bodyRequestId(error.responseBody),
    retry_after: error.responseHeaders?.['retry-after'] ?? null,
  };
}

async function answer(c) {
  try {
    return await operations[c.op](c);
  } catch (error) {
    return { error: errorSeen(error) };
  }
}

console.log(JSON.stringify({ version }));
for await (const line of createInterface({ input: process.stdin })) {
  const seen = await answer(JSON.parse(line));
  console.log(JSON.stringify({ ...seen, ended: Date.now() / 1000 }));
}
