// Strangers, malformed bytes, slow and vanished clients -> refusals, and answers for all others.
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ScriptedOptions } from '../../src/backends/scripted.ts';
import { createScriptedBackend } from '../../src/backends/scripted.ts';
import { createRandom } from '../../src/random.ts';
import { serve } from '../../src/server/serve.ts';
import { letters, type Served, serveScripted } from '../serve-scripted.ts';
import { sized } from '../tier.ts';

const portOf = ({ server }: Served) => Number(new URL(server.url).port);

/** Sends bytes as they are; what comes back until the connection ends. */
async function sendBytes(served: Served, bytes: string | Buffer, isAll = false): Promise<string> {
  const socket = connect(portOf(served), '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (data) => {
    text += data;
  });
  socket.on('error', () => {});
  if (isAll) socket.end(bytes);
  else socket.write(bytes);
  await once(socket, 'close');
  return text;
}

/** A request with headers that fetch does not let a program set. */
function statusOf(served: Served, headers: Readonly<Record<string, string>>): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port: portOf(served), path: '/v1/models', headers, agent: false });
    request.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject).end();
  });
}

/** A stream that is begun and not read. */
async function beginStream(served: Served, body: object): Promise<Socket> {
  const socket = connect(portOf(served), '127.0.0.1');
  const text = JSON.stringify({ stream: true, ...body });
  const head = 'POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json';
  socket.write(`${head}\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`);
  await once(socket, 'readable');
  return socket;
}

/** As long as the context allows: thousands of steps. */
const long: ScriptedOptions['write'] = () => 'x'.repeat(4000);

describe('who may ask', () => {
  it('is nobody who came through a web page', async () => {
    await using served = await serveScripted();
    expect(await statusOf(served, {})).toBe(200);
    expect(await statusOf(served, { host: 'localhost:1' })).toBe(200);
    expect(await statusOf(served, { host: '[::1]' })).toBe(200);
    expect(await statusOf(served, { host: 'evil.example' })).toBe(403);
    expect(await statusOf(served, { host: 'localhost.evil.example' })).toBe(403);
    expect(await statusOf(served, { host: '127.0.0.1.evil.example' })).toBe(403);
    expect(await statusOf(served, { origin: 'http://evil.example' })).toBe(403);
    expect(await statusOf(served, { origin: 'null' })).toBe(403);
  });

  it('is who has the token, where there is one', async () => {
    await using served = await serveScripted({ token: 'secret' });
    const status = async (authorization?: string) =>
      (await served.ask('/v1/models', undefined, authorization === undefined ? {} : { authorization })).status;
    expect(await status()).toBe(401);
    expect(await status('Bearer secre')).toBe(401);
    expect(await status('Basic secret')).toBe(401);
    expect(await status('Bearer secret')).toBe(200);
  });

  it('is nobody on the network without a token', async () => {
    const backend = createScriptedBackend({ write: letters });
    for (const host of ['0.0.0.0', '::', 'example.com'])
      await expect(serve(backend, { model: 'base', host, port: 0 })).rejects.toMatchObject({ code: 'bad-input' });
    await using served = await serveScripted({ host: '0.0.0.0', token: 'secret' });
    expect(await statusOf(served, { host: 'any.example', authorization: 'Bearer secret' })).toBe(200);
  });

  it('is no second server on a port', async () => {
    await using served = await serveScripted();
    await expect(serveScripted({ port: portOf(served) })).rejects.toMatchObject({ code: 'bad-input' });
  });
});

describe('malformed requests', () => {
  const post = 'POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json';
  it.each([
    ['no HTTP', 'GARBAGE\r\n\r\n', 400],
    ['an unknown version', 'GET / HTTP/9.9\r\n\r\n', 400],
    ['a header with a zero', 'GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx: \u0000\r\n\r\n', 400],
    ['a header too long', `GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`, 431],
    ['two lengths', `${post}\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx`, 400],
    ['a chunk without a length', `${post}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n`, 400],
    ['no host', 'GET /v1/models HTTP/1.1\r\nconnection: close\r\n\r\n', 403],
    ['an odd expectation', `${post}\r\nexpect: odd\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}`, 400],
  ])('of %s are refused in the form of the interface', async (_name, bytes, status) => {
    await using served = await serveScripted();
    const [head = '', body = ''] = (await sendBytes(served, bytes)).split('\r\n\r\n');
    expect(head).toMatch(`HTTP/1.1 ${status} `);
    expect(JSON.parse(body)).toMatchObject({ error: { code: status, message: expect.stringContaining('Expected') } });
    expect((await served.ask('/v1/models')).status).toBe(200);
  });

  it.each([
    ['half JSON', '{"prompt": ', {}, 400],
    ['an unfinished text', '"\ud800', {}, 400],
    ['another type', '{}', { 'content-type': 'text/plain' }, 415],
    ['too many bytes', JSON.stringify({ prompt: 'x'.repeat(2000) }), {}, 413],
  ])('refuse a body of %s', async (_name, body, headers, status) => {
    await using served = await serveScripted({ limits: { body: 1000 } });
    const answer = await served.ask('/v1/completions', body, headers);
    expect(answer.status).toBe(status);
    expect(answer.json['error']).toMatchObject({ message: expect.stringContaining('Expected') });
  });

  it('refuses a body that grows beyond the limit without a length', async () => {
    await using served = await serveScripted({ limits: { body: 1000 } });
    const head = `${post}\r\nconnection: close\r\ntransfer-encoding: chunked`;
    const text = await sendBytes(served, `${head}\r\n\r\n800\r\n${'x'.repeat(0x800)}\r\n`);
    expect(text).toMatch(/^HTTP\/1.1 413 /);
  });

  it('lets a client that sends far too much read why', async () => {
    await using served = await serveScripted({ limits: { body: 1000 } });
    const body = JSON.stringify({ prompt: 'x'.repeat(8 << 20) });
    for (let n = 0; n < 5; n += 1) expect((await served.ask('/v1/completions', body)).status).toBe(413);
  });

  it('tells a client whose body does not end when its time is over', async () => {
    await using served = await serveScripted({ limits: { seconds: 0.2 } });
    const text = await sendBytes(served, `${post}\r\nconnection: close\r\ncontent-length: 99\r\n\r\n{`);
    expect(text).toMatch(/^HTTP\/1.1 504 /);
    expect(served.logged).toEqual([]);
  });

  it('knows its addresses and their methods', async () => {
    await using served = await serveScripted();
    expect((await served.ask('/v1/nothing')).status).toBe(404);
    expect((await served.ask('/v1/completions')).status).toBe(405);
    expect((await served.ask('/__proto__', {})).status).toBe(404);
  });
});

describe('random requests', () => {
  it('get an answer or a refusal, whatever their fields are', async () => {
    await using served = await serveScripted({ prm: 'judge' });
    const random = createRandom('fields of requests');
    const pick = <T>(list: readonly T[]): T => list[random.int(0, list.length - 1)]!;
    const bodies = {
      '/v1/completions': {
        prompt: 'x',
        max_tokens: 2,
        n: 1,
        stop: 'a',
        logprobs: 1,
        echo: true,
        seed: 1,
        model: 'base',
      },
      '/v1/chat/completions': {
        messages: [{ role: 'user', content: 'x' }],
        max_tokens: 2,
        top_logprobs: 1,
        logprobs: true,
      },
      '/tokenize': { prompt: 'x', add_special_tokens: false },
      '/detokenize': { tokens: [97] },
      '/pooling': { input: { prompt: 'x', steps: ['y'] } },
      '/v1/load_lora_adapter': { lora_name: 'a', lora_path: 'b' },
      '/v1/unload_lora_adapter': { lora_name: 'a' },
    };
    const values = [null, true, -1, 0, 1, 3, 1e9, 0.5, 1e300, '', 'x', '\ud800', [], ['x'], [1], [[1], [2]], [[]], {}];
    const others = [
      'stream',
      'temperature',
      'top_p',
      'top_k',
      'stream_options',
      'return_token_ids',
      '__proto__',
      'tools',
    ];
    const seen = new Set<number>();
    for (let round = 0; round < sized(300, 5000); round += 1) {
      const [path, body] = pick(Object.entries(bodies));
      const changed = new Map<string, unknown>(Object.entries(body));
      for (let n = random.int(1, 2); n > 0; n -= 1) changed.set(pick([...Object.keys(body), ...others]), pick(values));
      const text = `{${[...changed].map(([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`).join()}}`;
      const { status } = await served.ask(path, text);
      seen.add(status);
      expect([200, 400, 403, 404], `${path} ${text}`).toContain(status);
    }
    expect([...seen]).toEqual(expect.arrayContaining([200, 400, 404]));
    expect(served.logged).toEqual([]);
  });

  it('of bytes that are no HTTP harm nobody', async () => {
    await using served = await serveScripted();
    const random = createRandom('bytes of requests');
    const text = JSON.stringify({ prompt: 'x', max_tokens: 2 });
    const head = 'POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json';
    const whole = Buffer.from(`${head}\r\ncontent-length: ${text.length}\r\n\r\n${text}`);
    for (let round = 0; round < sized(100, 2000); round += 1) {
      const bytes = Buffer.from(whole.subarray(0, random.int(1, whole.length)));
      for (let n = random.int(0, 3); n > 0; n -= 1) bytes[random.int(0, bytes.length - 1)] = random.int(0, 255);
      await sendBytes(served, bytes, true);
    }
    expect((await served.ask('/v1/completions', { prompt: 'x' })).status).toBe(200);
    expect(served.logged).toEqual([]);
  });
});

describe('clients', () => {
  it('that leave free what they had, and others have their answers', async () => {
    await using served = await serveScripted({ limits: { requests: 2 } }, { write: long });
    const gone = await Promise.all([1, 2].map((seed) => beginStream(served, { prompt: 'x', max_tokens: 4000, seed })));
    expect((await served.ask('/v1/models')).status).toBe(429);
    for (const socket of gone) socket.destroy();
    let status = 429;
    while (status === 429) ({ status } = await served.ask('/v1/completions', { prompt: 'x', max_tokens: 3 }));
    expect(status).toBe(200);
  });

  it('that read nothing hold up nobody, and are cut off when their time is over', async () => {
    await using served = await serveScripted({ limits: { seconds: 2 } }, { write: long });
    // More than the buffers of a connection hold.
    const many = { n: 96, logprobs: 1, return_token_ids: true };
    const slow = await beginStream(served, { prompt: 'x', max_tokens: 4000, ...many });
    const { status, json } = await served.ask('/v1/completions', { prompt: 'x', max_tokens: 3 });
    expect([status, (json['choices'] as { text: string }[])[0]?.text]).toEqual([200, 'xxx']);
    await delay(3500);
    let text = '';
    slow.on('error', () => {}).setEncoding('latin1');
    slow.on('data', (data) => {
      text = text.slice(-100) + data;
    });
    await once(slow, 'close');
    expect(text).not.toContain('[DONE]');
  });

  it('are told when their time is over', async () => {
    const slow: Partial<ScriptedOptions> = { write: long };
    await using served = await serveScripted({ limits: { seconds: 0.001 } }, slow);
    const { status, json } = await served.ask('/v1/completions', { prompt: 'x', n: 16, max_tokens: 4000 });
    expect(status).toBe(504);
    expect(json['error']).toMatchObject({ type: 'server_error' });
  });

  it('have their answers when the server stops, and nobody after that', async () => {
    let begin = () => {};
    const begun = new Promise<void>((resolve) => (begin = resolve));
    const served = await serveScripted({}, { write: long, onWork: () => begin() });
    const running = served.ask('/v1/completions', { prompt: 'x', max_tokens: 500, seed: 1 });
    await begun;
    await served[Symbol.asyncDispose]();
    expect((await running).status).toBe(200);
    await expect(served.ask('/v1/models')).rejects.toThrow('fetch failed');
  });
});

it('tells a client nothing of a fault of its own, and its log all', async () => {
  const onWork = () => {
    throw new Error('secret /path');
  };
  await using served = await serveScripted({}, { onWork });
  const { status, text } = await served.ask('/v1/completions', { prompt: 'x' });
  expect(status).toBe(500);
  expect(text).not.toContain('secret');
  expect(served.logged.join('\n')).toContain('secret /path');
});

it('gives 64 clients at a time what each gets alone', async () => {
  await using served = await serveScripted();
  const answer = async (seed: number) => {
    const { json } = await served.ask('/v1/completions', { prompt: `p${seed}`, seed, max_tokens: 20 });
    return (json['choices'] as { text: string }[])[0]?.text;
  };
  const seeds = Array.from({ length: 64 }, (_, seed) => seed);
  const together = await Promise.all(seeds.map(answer));
  for (const seed of seeds.slice(0, 8)) expect(await answer(seed)).toBe(together[seed]);
  expect(new Set(together).size).toBe(64);
});
