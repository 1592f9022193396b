// Strangers, odd addresses, slow clients -> refusals; the page's own requests -> replies.
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SipfError } from '../../src/errors.ts';
import { Sample } from '../../src/records.ts';
import { type Answers, answersFrom } from '../../src/viewer/answers.ts';
import type {
  PairReply,
  PairsReply,
  QuestionReply,
  QuestionsReply,
  RolloutsReply,
  TokensReply,
} from '../../src/viewer/api.ts';
import { type PageOptions, type PageServer, servePage } from '../../src/viewer/http/serve-page.ts';
import type { OpenRun } from '../../src/viewer/open-run.ts';
import { openViewerRun, viewerRun } from '../viewer-run.ts';

const html = '<!doctype html><style>a{}</style><script>let x;</script><p>page</p>';
const token = '0123456789abcdef0123456789abcdef';

let folder = '';
let run: OpenRun;
let answers: Answers;
let shared: Served;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-viewer-server-'));
  await viewerRun(join(folder, 'run'));
  run = await openViewerRun(join(folder, 'run'), { cache: join(folder, 'cache') });
  answers = answersFrom([run]);
  shared = await open();
});
afterAll(async () => {
  await shared[Symbol.asyncDispose]();
  await run[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

interface Served extends AsyncDisposable {
  readonly server: PageServer;
  readonly port: number;
  readonly logged: readonly string[];
}

async function open(options: Partial<PageOptions> = {}, own: Answers = answers): Promise<Served> {
  const logged: string[] = [];
  const server = await servePage(own, { html, token, port: 0, log: (line) => void logged.push(line), ...options });
  const port = Number(new URL(server.url).port);
  return { server, port, logged, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

/** Sends bytes as they are; what comes back until the connection ends. */
async function sendBytes({ port }: Served, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let text = '';
  socket.setEncoding('utf8').on('data', (data) => {
    text += data;
  });
  socket.on('error', () => {});
  socket.write(bytes);
  await once(socket, 'close');
  return text;
}

interface Raw {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** One request as bytes; `headers` replace those that a browser sends. */
async function ask(
  served: Served,
  target: string,
  headers: Readonly<Record<string, string | null>> = {},
  { method = 'GET', body = '' } = {},
): Promise<Raw> {
  const own = { host: `127.0.0.1:${served.port}`, connection: 'close', ...headers };
  const lines = Object.entries(own).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]));
  if (body !== '') lines.push(`content-length: ${Buffer.byteLength(body)}`);
  const text = await sendBytes(served, `${method} ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
  const at = text.indexOf('\r\n\r\n');
  return { status: Number(text.slice(9, 12)), head: text.slice(0, at).toLowerCase(), body: text.slice(at + 4) };
}

const runs = `/${token}/api/runs`;

describe('who may ask', () => {
  it.each([
    ['this machine by its address', {}, 200],
    ['by its name', { host: 'localhost:1' }, 200],
    ['by its other address', { host: '[::1]:1' }, 200],
    ['its own page', { origin: 'http://127.0.0.1:80', host: '127.0.0.1:80', 'sec-fetch-site': 'same-origin' }, 200],
    [
      'a person who types',
      { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
      200,
    ],
    [
      'a link of another page',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
      200,
    ],
    ['another name', { host: 'evil.example' }, 403],
    ['a name that begins like one of ours', { host: '127.0.0.1.evil.example' }, 403],
    ['a name that ends like one of ours', { host: 'evil.example@localhost' }, 403],
    ['no name', { host: null }, 403],
    ['an empty name', { host: '' }, 403],
    ['a page of another name', { origin: 'http://evil.example' }, 403],
    ['a page of another port', { origin: 'http://127.0.0.1:1' }, 403],
    ['a page of a file', { origin: 'null' }, 403],
    ['a secure page of the same name', { origin: 'https://127.0.0.1:80', host: '127.0.0.1:80' }, 403],
    [
      'a script of another page',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script' },
      403,
    ],
    [
      'a frame of another page',
      { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
      403,
    ],
    [
      'a page of another port of this machine',
      { 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
      403,
    ],
  ])('%s', async (_, headers, status) => {
    const served = shared;
    expect((await ask(served, runs, headers)).status).toBe(status);
  });

  it.each([
    ['no secret', '/api/runs'],
    ['another one', `/${'0'.repeat(32)}/api/runs`],
    ['a part of it', `/${token.slice(0, 31)}/api/runs`],
    ['more than it', `/${token}0/api/runs`],
    ['other letters', `/${token.toUpperCase()}/api/runs`],
    ['an encoded one', `/%30${token.slice(1)}/api/runs`],
    ['it behind something', `/x/${token}/api/runs`],
    ['it without what follows', `/${token}`],
    ['the root', '/'],
  ])('nobody with %s', async (_, target) => {
    const served = shared;
    const { status, body } = await ask(served, target);
    expect(status).toBe(404);
    expect(JSON.parse(body)).toEqual({ error: expect.stringContaining('sipf view') });
  });

  it('has a secret of its own each time', async () => {
    const first = await servePage(answers, { html, port: 0, log: () => {} });
    const second = await servePage(answers, { html, port: 0, log: () => {} });
    expect(first.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/$/);
    expect(first.url.slice(-33)).not.toBe(second.url.slice(-33));
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
  });

  it('is no second server on a port', async () => {
    const served = shared;
    await expect(open({ port: served.port })).rejects.toMatchObject({ code: 'bad-input' });
  });
});

describe('an address', () => {
  it.each([
    [`/${token}/api/../api/runs`, 404],
    [`/${token}/../etc/passwd`, 404],
    [`/${token}/..%2f..%2fetc%2fpasswd`, 404],
    [`/${token}/%2e%2e/api/runs`, 404],
    [`/${token}//api/runs`, 404],
    [`/${token}/api/runs/`, 404],
    [`/${token}/api%2fruns`, 404],
    [`/${token}/api/runs%00`, 404],
    [`/${token}/__proto__`, 404],
    [`/${token}/api/constructor`, 404],
    [`http://127.0.0.1/${token}/api/runs`, 404],
    [`http://evil.example/${token}/api/runs`, 404],
    ['*', 404],
    [`/${token}/api/runs?`, 200],
    [`/${token}/?x=1`, 200],
    [`/${token}/api/runs#x`, 404],
    [`/${token}/api/questions?text=${'x'.repeat(9000)}`, 414],
  ])('%s: %i', async (target, status) => {
    const served = shared;
    expect((await ask(served, target)).status).toBe(status);
  });

  it.each([
    ['runs?run=0', /field ""?|Expected no field "run"/],
    ['rounds', /field "run": Expected a string, got nothing/],
    ['rounds?run=x', /field "run": Expected a whole number, got "x"/],
    ['rounds?run=-1', /field "run"/],
    ['rounds?run=1e3', /field "run"/],
    ['rounds?run=0&run=1', /field "run": Expected one value, got several/],
    ['rounds?run=0&__proto__=1', /__proto__/],
    ['questions?run=0&round=1&limit=501', /field "limit": Expected at most 500, got "501"/],
    ['questions?run=0&round=1&sort=sideways', /field "sort"/],
    ['questions?run=0&round=1&scoreFrom=NaN', /field "scoreFrom": Expected a number/],
    ['questions?run=0&round=1&truncated=1', /field "truncated"/],
    ['questions?run=0&round=1&list=all', /field "list"/],
    ['question?run=0&round=1&id=', /field "id"/],
    ['compare?first=0&second=0:last', /field "first": Expected RUN:ROUND or RUN:POLICY/],
    ['compare?first=0:1&second=0:best', /field "second"/],
  ])('%s names what is wrong', async (target, message) => {
    const served = shared;
    const { status, body } = await ask(served, `/${token}/api/${target}`);
    expect(status).toBe(400);
    expect(JSON.parse(body).error).toMatch(message);
  });

  it.each([
    ['rounds?run=7', /run from 0 to 0, got 7/],
    ['questions?run=0&round=99', /round/],
    ['question?run=0&round=1&id=../../etc/passwd', /\.\.\/\.\.\/etc\/passwd/],
    ['question?run=0&round=1&id=__proto__', /__proto__/],
    ['pair?run=0&round=1&index=999999', /999999/],
    ['tokens?run=0&round=1&sample=nobody', /nobody/],
    ['compare?first=0:99&second=0:last', /round 99/],
  ])('%s is of something that is not there', async (target, message) => {
    const served = shared;
    const { status, body } = await ask(served, `/${token}/api/${target}`);
    expect(JSON.parse(body).error).toMatch(message);
    expect(status).toBe(404);
  });
});

describe('methods', () => {
  it('reads by GET and HEAD alone', async () => {
    const served = shared;
    const whole = await ask(served, runs);
    const head = await ask(served, runs, {}, { method: 'HEAD' });
    expect([head.status, head.body]).toEqual([200, '']);
    expect(head.head).toContain(`content-length: ${Buffer.byteLength(whole.body)}`);
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      const refused = await ask(served, runs, {}, { method });
      expect([refused.status, JSON.parse(refused.body)]).toEqual([405, { error: expect.stringContaining(method) }]);
      expect(refused.head).toContain('allow: get, head');
    }
    expect((await ask(served, runs, {}, { method: 'CONNECT' })).status).not.toBe(200);
  });

  it('changes nothing by GET', async () => {
    const served = shared;
    const refused = await ask(served, `/${token}/api/labels?run=0`);
    expect(refused.status).toBe(405);
    expect(refused.head).toContain('allow: post');
  });
});

describe('bytes', () => {
  it.each([
    ['no HTTP', 'GARBAGE\r\n\r\n', 400],
    ['an unknown version', 'GET / HTTP/9.9\r\n\r\n', 400],
    ['a header too long', `GET ${runs} HTTP/1.1\r\nhost: localhost\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`, 431],
    ['two lengths', `POST ${runs} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx`, 400],
    [
      'a length and chunks',
      `POST ${runs} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['a folded header', `GET ${runs} HTTP/1.1\r\nhost: localhost\r\n x\r\n\r\n`, 400],
  ])('of %s are refused in JSON, with the headers of every answer', async (_name, bytes, status) => {
    const served = shared;
    const [head = '', body = ''] = (await sendBytes(served, bytes)).split('\r\n\r\n');
    expect(head).toMatch(`HTTP/1.1 ${status} `);
    expect(head.toLowerCase()).toContain('x-content-type-options: nosniff');
    expect(JSON.parse(body)).toEqual({ error: expect.stringContaining('Expected') });
    expect((await ask(served, runs)).status).toBe(200);
  });

  it('of many requests at once are answered in order', async () => {
    const served = shared;
    const one = (target: string, more = '') => `GET ${target} HTTP/1.1\r\nhost: localhost\r\n${more}\r\n`;
    const text = await sendBytes(served, one(`/${token}/`) + one('/x') + one(runs, 'connection: close\r\n'));
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200']);
  });

  it('that do not end are cut off', async () => {
    await using served = await open({
      times: { headersTimeout: 100, requestTimeout: 200, connectionsCheckingInterval: 20 },
    });
    const slow = await sendBytes(served, `GET ${runs} HTTP/1.1\r\nhost: localhost\r\nx: `);
    expect(slow).toMatch(/^HTTP\/1\.1 408 /);
    const half = await sendBytes(
      served,
      `POST /${token}/api/labels?run=0 HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n\r\n{`,
    );
    expect(half).toMatch(/^HTTP\/1\.1 (?:403|408) /);
    expect((await ask(served, runs)).status).toBe(200);
  });
});

describe('an answer', () => {
  const hashes = /script-src 'sha256-[\w+/=]{44}'; style-src 'sha256-[\w+/=]{44}';/;

  it.each([`/${token}/`, runs, '/nothing'])('%s keeps its page to itself', async (target) => {
    const served = shared;
    const response = await fetch(new URL(target, served.server.url));
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(hashes);
    for (const part of [
      "default-src 'none'",
      "connect-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "form-action 'none'",
    ])
      expect(policy.split('; ')).toContain(part);
    expect(policy).not.toContain('unsafe');
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    });
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('is the page, as HTML, at the address that was printed', async () => {
    const served = shared;
    const response = await fetch(served.server.url);
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
    expect(await response.text()).toBe(html);
  });

  it('says nothing of a fault of its own but that there was one', async () => {
    const failing: Answers = { ...answers, runs: () => Promise.reject(new Error('secret of this machine')) };
    await using served = await open({}, failing);
    const { status, body } = await ask(served, runs);
    expect(status).toBe(500);
    expect(body).not.toContain('secret');
    expect(served.logged.join()).toContain('secret of this machine');
  });

  it('comes in time, or says so; others are refused meanwhile', async () => {
    const waiting: Answers = { ...answers, runs: () => delay(5000, { runs: [] }, { ref: false }) };
    await using served = await open({ limits: { seconds: 0.3, requests: 2 } }, waiting);
    const first = [ask(served, runs), ask(served, runs)];
    await delay(100);
    const third = await ask(served, runs);
    expect(third.status).toBe(429);
    expect((await Promise.all(first)).map(({ status }) => status)).toEqual([504, 504]);
  });

  it('is given before the server ends', async () => {
    let isAsked = () => {};
    const asked = new Promise<void>((resolve) => {
      isAsked = resolve;
    });
    const slow: Answers = {
      ...answers,
      runs: async () => {
        isAsked();
        await delay(200);
        return { runs: [] };
      },
    };
    const served = await open({}, slow);
    const reply = ask(served, runs);
    await asked;
    await served[Symbol.asyncDispose]();
    expect(await reply).toMatchObject({ status: 200, body: '{"runs":[]}' });
    await expect(fetch(served.server.url)).rejects.toThrow();
  });
});

describe('what is read', () => {
  const json = async (path: string): Promise<unknown> => {
    const { status, head, body } = await ask(shared, `/${token}/api/${path}`);
    expect([status, head]).toEqual([200, expect.stringContaining('content-type: application/json')]);
    return JSON.parse(body);
  };

  it('is every record of a path as its file has it', async () => {
    const view = await run.view();
    const list = (await json('questions?run=0&round=2&limit=500')) as QuestionsReply;
    expect(list.total).toBe(24);
    for (const { id } of list.questions.slice(0, 5)) {
      const reply = (await json(`question?run=0&round=2&id=${encodeURIComponent(id)}`)) as QuestionReply;
      const slow = await view.question(2, id);
      expect(reply.question).toEqual(slow?.question);
      // Rollouts that are kept are paths, too: later stages score and pair them.
      const drawn = reply.paths.filter(({ sample }) => sample.source !== 'rollout');
      const plain = drawn.map(({ sample, scores }) => ({ ...sample, drawn: undefined, scores }));
      expect(plain).toEqual(slow?.paths.map(({ sample, scores }) => ({ ...sample, drawn: undefined, scores })));
      for (const [n, path] of drawn.entries()) {
        const { rollouts = [], ...labels } = slow?.paths[n]?.labels ?? {};
        expect(path.labels ?? {}).toEqual(labels);
        for (const list of [path.truth, path.human, path.rollouts]) expect(list).toHaveLength(path.sample.steps.length);
        expect(path.rollouts.reduce((sum, count) => sum + count, 0)).toBe(rollouts.length);
      }
    }
  });

  it("is a path's tokens and rollouts", async () => {
    const { questions } = (await json('questions?run=0&round=1&limit=1&outcome=wrong')) as QuestionsReply;
    const { paths } = (await json(`question?run=0&round=1&id=${questions[0]?.id}`)) as QuestionReply;
    const path = paths.find(
      ({ sample, rollouts }) => sample.source === 'policy' && rollouts.some((count) => count > 0),
    );
    const step = path?.rollouts.findIndex((count) => count > 0) ?? 0;
    const of = `run=0&round=1&sample=${encodeURIComponent(path?.sample.id ?? '')}`;
    const { tokens } = (await json(`tokens?${of}`)) as TokensReply;
    expect(tokens?.map(({ text }) => text).join('')).toBe(path?.sample.steps.join('\n'));
    expect(Math.min(...(tokens ?? []).map(({ logp }) => logp ?? 0))).toBe(
      Math.min(...(path?.leastLogps ?? []).map((logp) => logp ?? 0)),
    );
    const { rollouts } = (await json(`rollouts?${of}&step=${step}`)) as RolloutsReply;
    expect(rollouts).toHaveLength(path?.rollouts[step] ?? 0);
    for (const rollout of rollouts) {
      expect(Sample.parse(rollout).source).toBe('rollout');
      expect(rollout.steps.slice(0, step + 1)).toEqual(path?.sample.steps.slice(0, step + 1));
    }
  });

  it('is each pair with both paths, and how its log-probabilities moved', async () => {
    const { total, pairs } = (await json('pairs?run=0&round=1&limit=500')) as PairsReply;
    expect(pairs).toHaveLength(total);
    const replies = await Promise.all(
      pairs.map(async ({ index }) => (await json(`pair?run=0&round=1&index=${index}`)) as PairReply),
    );
    const moved = replies.flatMap(({ own }) => (own === null || own.rejected === null ? [] : [own]));
    const { logps } = replies[0]!;
    expect(moved).toHaveLength(logps?.n ?? 0);
    for (const place of [0, 1] as const) {
      const name = place === 0 ? 'before' : 'after';
      const mean = moved.reduce((sum, { chosen }) => sum + chosen[place], 0) / moved.length;
      expect(mean).toBeCloseTo(logps?.chosen[name] ?? Number.NaN, 10);
    }
    for (const { pair, chosen } of replies) expect(chosen?.sample.id).toBe(pair.chosen.sampleId);
  });

  it('is figures, as the same functions give them', async () => {
    const same = async (path: string, reply: Promise<object>) =>
      expect(await json(path)).toEqual(JSON.parse(JSON.stringify(await reply)));
    await same('runs', answers.runs());
    await same('rounds?run=0', answers.rounds({ run: 0 }));
    await same('scores?run=0&round=2', answers.scores({ run: 0, round: 2 }));
    await same('training?run=0', answers.training({ run: 0 }));
    const [first, second] = [{ run: 0, policy: 'last' } as const, { run: 0, policy: 'start' } as const];
    const ask = { first, second, change: 'gained', offset: 0, limit: 50 } as const;
    await same('compare?first=0:last&second=0:start&change=gained', answers.compare(ask));
  });
});

describe('a label by hand', () => {
  const target = `/${token}/api/labels?run=0`;
  const file = () => readFile(join(folder, 'run', 'human-labels.jsonl'), 'utf8').catch(() => '');

  /** As the page sends it. */
  function send(served: Served, body: unknown, headers: Readonly<Record<string, string | null>> = {}): Promise<Raw> {
    const own = {
      origin: `http://127.0.0.1:${served.port}`,
      'content-type': 'application/json',
      'x-sipf-annotate': '1',
    };
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return ask(served, target, { ...own, ...headers }, { method: 'POST', body: text });
  }

  async function someSample(): Promise<string> {
    const { questions } = await answers.questions({
      run: 0,
      round: 1,
      offset: 0,
      limit: 1,
      sort: 'file',
      descending: false,
    });
    const { paths } = await answers.question({ run: 0, round: 1, id: questions[0]?.id ?? '' });
    return paths[0]?.sample.id ?? '';
  }

  it.each<[string, Readonly<Record<string, string | null>>, number]>([
    ['without its header', { 'x-sipf-annotate': null }, 403],
    ['with another header', { 'x-sipf-annotate': 'true' }, 403],
    ['without its page', { origin: null }, 403],
    ['from another page', { origin: 'http://evil.example' }, 403],
    ['as a form sends it', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['as plain text', { 'content-type': 'text/plain' }, 415],
    ['to another name', { host: 'evil.example' }, 403],
  ])('%s is refused', async (_, headers, status) => {
    const served = shared;
    const before = await file();
    const given = { sampleId: await someSample(), step: 0, label: 'good' };
    expect((await send(served, given, headers)).status).toBe(status);
    expect(await file()).toBe(before);
  });

  it.each<[string, unknown, number]>([
    ['no JSON', '{', 400],
    ['another word', { sampleId: 'x', step: 0, label: 'fine' }, 400],
    ['half a step', { sampleId: 'x', step: 0.5, label: 'good' }, 400],
    ['a field too many', { sampleId: 'x', step: 0, label: 'good', time: 'now' }, 400],
    ['a note too long', { sampleId: 'x', step: 0, label: 'good', note: 'y'.repeat(2001) }, 400],
    ['a body too long', { sampleId: 'x', step: 0, label: 'good', note: 'y'.repeat(100_000) }, 413],
    ['a path that is not there', { sampleId: '../x', step: 0, label: 'good' }, 404],
  ])('of %s is refused', async (_, body, status) => {
    const served = shared;
    const before = await file();
    expect((await send(served, body)).status).toBe(status);
    expect(await file()).toBe(before);
  });

  it('says why the disk refuses it', async () => {
    const refused = new SipfError('write-failed', 'Expected to write a label, got EROFS (the disk is read-only).');
    await using served = await open({}, { ...answers, label: () => Promise.reject(refused) });
    const { status, body } = await send(served, { sampleId: 'x', step: 0, label: 'good' });
    expect([status, JSON.parse(body).error]).toEqual([500, refused.message]);
    expect(served.logged).toEqual([]);
  });

  it('is kept, shown, and taken back', async () => {
    const served = shared;
    const sampleId = await someSample();
    const { status, body } = await send(served, { sampleId, step: 0, label: 'bad', note: 'a "note"\n\u2028' });
    expect(status).toBe(200);
    expect(JSON.parse(body).label).toMatchObject({ sampleId, step: 0, label: 'bad' });
    expect(await file()).toContain(JSON.stringify(sampleId));
    expect(await run.humanLabels()).toMatchObject([{ sampleId, step: 0, label: 'bad', note: 'a "note"\n\u2028' }]);
    await send(served, { sampleId, step: 0, label: null });
    expect(await run.humanLabels()).toEqual([]);
  });
});
