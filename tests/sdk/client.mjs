// What the Node library sees. Reads one case a line from standard input, answers one line each;
// the same cases and the same answers as client.py. SDK_DIR names the folder of the libraries.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const require = createRequire(process.env.SDK_DIR + '/');
const { default: Anthropic } = require('@anthropic-ai/sdk');
const { version } = require('./node_modules/@anthropic-ai/sdk/package.json');

const tool = {
  name: 'get_weather',
  description: 'Weather at a place',
  input_schema: { type: 'object', properties: { city: { type: 'string' } } },
};

function parameters(c) {
  const content = c.size ? 'x'.repeat(c.size) : c.text ?? 'Hello';
  const p = { model: c.model, messages: [{ role: 'user', content }] };
  if (c.op !== 'count') p.max_tokens = c.max_tokens ?? 2048;
  if (c.tools) p.tools = [tool];
  if (c.thinking) p.thinking = { type: 'enabled', budget_tokens: 1024 };
  return Object.assign(p, c.extra);
}

function options(c) {
  return c.beta ? { headers: { 'anthropic-beta': c.beta } } : {};
}

function messageSeen(message, requestId) {
  return {
    id: message.id,
    model: message.model,
    blocks: message.content,
    stop_reason: message.stop_reason,
    input_tokens: message.usage.input_tokens,
    output_tokens: message.usage.output_tokens,
    request_id: requestId,
  };
}

const operations = {
  async create(client, c) {
    const message = await client.messages.create(parameters(c), options(c));
    return messageSeen(message, message._request_id);
  },

  // The raw iterator, which itself does not notice that an end is missing.
  async stream(client, c) {
    const seen = { events: [], text: [], partial: [] };
    const call = client.messages.create({ ...parameters(c), stream: true }, options(c));
    const { data, request_id } = await call.withResponse();
    for await (const event of data) {
      seen.events.push(event.type);
      if (event.delta?.type === 'text_delta') seen.text.push(event.delta.text);
      if (event.delta?.type === 'input_json_delta') seen.partial.push(event.delta.partial_json);
    }
    return { ...seen, request_id };
  },

  async helper(client, c) {
    const stream = client.messages.stream(parameters(c), options(c));
    const message = await stream.finalMessage();
    return messageSeen(message, stream.request_id);
  },

  async count(client, c) {
    const counted = await client.messages.countTokens(parameters(c), options(c));
    return { input_tokens: counted.input_tokens, request_id: counted._request_id };
  },

  async models(client) {
    const page = await client.models.list();
    const all = [];
    for await (const model of client.models.list({ limit: 1 })) all.push(model.id);
    return {
      ids: page.data.map((model) => model.id),
      types: [...new Set(page.data.map((model) => model.type))],
      has_more: page.has_more,
      first_id: page.first_id,
      last_id: page.last_id,
      request_id: page._request_id ?? page.response?.headers.get('request-id'),
      all,
    };
  },

  async model(client, c) {
    const model = await client.models.retrieve(c.model);
    return { ids: [model.id], types: [model.type], request_id: model._request_id };
  },
};

function family(error) {
  const names = [];
  for (let p = Object.getPrototypeOf(error); p && p !== Error.prototype; p = Object.getPrototypeOf(p))
    names.push(p.constructor.name);
  return names;
}

// The parts of an exception that programs act on.
function errorSeen(error) {
  return {
    class: error.constructor.name,
    family: family(error),
    status: error.status ?? null,
    type: error.error?.error?.type ?? null,
    message: error.error?.error?.message ?? error.message,
    request_id: error.requestID ?? null,
    body_request_id: error.error?.request_id ?? null,
    retry_after: error.headers?.get('retry-after') ?? null,
  };
}

async function answer(c) {
  const client = new Anthropic({
    baseURL: c.base,
    apiKey: c.key,
    maxRetries: c.retries ?? 0,
    timeout: (c.timeout ?? 30) * 1000,
  });
  try {
    return await operations[c.op](client, c);
  } catch (error) {
    return { error: errorSeen(error) };
  }
}

console.log(JSON.stringify({ version }));
for await (const line of createInterface({ input: process.stdin })) {
  const seen = await answer(JSON.parse(line));
  console.log(JSON.stringify({ ...seen, ended: Date.now() / 1000 }));
}
