// sipf serve: a model, adapters and a PRM -> a server with OpenAI's interface, until it is stopped.
import { once } from 'node:events';
import { Command } from 'commander';
import { SipfError } from '../../errors.ts';
import { MOST } from '../../limits.ts';
import { DEFAULT_LIMITS, serve } from '../../server/serve.ts';
import { openEngine, readEngine } from '../engine.ts';
import { type ExecutionOptions, finish, integer, number, repeated, withBaseModel } from '../options.ts';
import type { Terminal } from '../terminal.ts';

const MIB = 2 ** 20;

interface ServeFlags extends ExecutionOptions {
  readonly model: string;
  readonly adapter?: readonly string[];
  readonly adapterRoot?: string;
  readonly prm?: string;
  readonly host: string;
  readonly port: number;
  readonly tokenFrom?: string;
  readonly maxRequests: number;
  readonly maxBody: number;
  readonly timeout: number;
  readonly json?: boolean;
}

export function serveCommand(terminal: Terminal): Command {
  const command = withBaseModel(
    new Command('serve').description("Serve a model over HTTP with OpenAI's interface (docs/server.md)."),
  )
    .option('--adapter <name=dir>', 'PEFT adapter folder and the name to serve it by; several times', repeated)
    .option('--adapter-root <dir>', 'clients may load adapters below this folder or s3:// address (default: none)')
    .option('--prm <dir>', 'process reward model, for step scores at /pooling')
    .optionsGroup('Who may ask, and how much:')
    .option('--host <address>', 'address to listen on; others than this machine need a token', '127.0.0.1')
    .option('--port <n>', '0: one that is free', integer({ min: 0, max: 65_535 }), 8000)
    .option('--token-from <name>', 'environment variable with the token that clients send')
    .option('--max-requests <n>', 'requests at a time', integer({ min: 1, max: MOST.slots }), DEFAULT_LIMITS.requests)
    .option('--max-body <MiB>', 'longest body', number({ min: 0, max: 1024, open: true }), DEFAULT_LIMITS.body / MIB)
    .option(
      '--timeout <seconds>',
      'longest time of a request',
      number({ min: 0, max: MOST.seconds, open: true }),
      DEFAULT_LIMITS.seconds,
    );
  return finish(
    command.optionsGroup('Options:'),
    'print {url, models} once it listens',
    'sipf serve --model ./SmolLM2-135M',
    'sipf serve --model ./SmolLM2-135M --adapter math=runs/first/iteration-1/6-policy --prm runs/first/iteration-1/3-prm',
    'SIPF_TOKEN=... sipf serve --model ./SmolLM2-135M --host 0.0.0.0 --token-from SIPF_TOKEN',
    `curl localhost:8000/v1/completions -H 'content-type: application/json' -d '{"prompt": "2 + 2 =", "max_tokens": 4}'`,
  ).action((options: ServeFlags) => run(command, options, terminal));
}

async function run(command: Command, options: ServeFlags, terminal: Terminal): Promise<void> {
  const { model, adapter: _named, ...execution } = options;
  const token = options.tokenFrom === undefined ? null : tokenIn(options.tokenFrom);
  const adapters = adaptersIn(options.adapter ?? []);
  const limits = { requests: options.maxRequests, body: Math.ceil(options.maxBody * MIB), seconds: options.timeout };
  await using backend = await openEngine(await readEngine(command, { ...execution, model }), terminal);
  const { prm = null, adapterRoot = null, host, port } = options;
  const { log } = terminal;
  await using server = await serve(backend, { model, adapters, prm, adapterRoot, host, port, token, limits, log });
  const { url, models } = server;
  terminal.log(`${models.join(', ')} at ${url}/v1. Ctrl-C ends it.`);
  await terminal.print(options.json ? JSON.stringify({ url, models }) : `${url}/v1`);
  terminal.resumes('The same command serves again.');
  if (!terminal.signal.aborted) await once(terminal.signal, 'abort');
}

function tokenIn(name: string): string {
  const token = process.env[name] ?? '';
  if (token !== '') return token;
  throw new SipfError(
    'bad-input',
    `Expected a token in the environment variable ${name} (--token-from), got none. Set that variable.`,
  );
}

function adaptersIn(words: readonly string[]): Map<string, string> {
  const adapters = new Map<string, string>();
  for (const word of words) {
    const [, name = '', folder = ''] = /^([^=]+)=(.+)$/s.exec(word) ?? [];
    if (name === '' || adapters.has(name))
      throw new SipfError(
        'bad-input',
        `Expected --adapter NAME=DIR with a name of its own, got '${word}'. Give it as math=./adapter.`,
      );
    adapters.set(name, folder);
  }
  return adapters;
}
