// What the parser of OpenAI's library for Node reads of a stream: takes one case on standard input,
// answers with the chunks. SDK_DIR names the folder of the library.

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(process.env.SDK_DIR + '/');
const { default: OpenAI } = require('openai');

const c = JSON.parse(readFileSync(0, 'utf8'));
const client = new OpenAI({ baseURL: c.base, apiKey: c.key, maxRetries: 0 });
const stream = await client.post('/messages', { body: c.body, stream: true });
const chunks = [];
for await (const chunk of stream) chunks.push(chunk);
process.stdout.write(JSON.stringify(chunks));
