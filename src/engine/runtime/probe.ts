// A provider's name -> whether it starts and computes here, tried in a child process.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../../errors.ts';
import { matmul } from '../build.ts';
import { Graph } from '../graph.ts';
import { outputName, serialise } from './onnx.ts';
import { type Provider, plainReason, runtimeEntry } from './session.ts';
import { silent } from './telemetry.ts';

interface ProbeResult {
  readonly available: boolean;
  /** What was seen, in one line: for a person to read. */
  readonly reason: string;
}

interface ProbeOptions {
  /** Environment of the child; default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Runs the model in argv and prints the outcome on a line of its own, which nothing that drivers print looks like. */
const CHILD = `
const [runtime, model, provider, output] = process.argv.slice(1);
const tell = (outcome) => console.log('probe:' + JSON.stringify(outcome));
(async () => {
  const { InferenceSession, Tensor } = require(runtime);
  const session = await InferenceSession.create(model, { executionProviders: [provider], logSeverityLevel: 4 });
  const x = new Tensor('float32', Float32Array.of(1, 2, 3, 4), [2, 2]);
  const results = await session.run({ x });
  tell({ values: Array.from(results[output].data) });
})().catch((thrown) => tell({ error: String(thrown && thrown.message || thrown) }));
`;

/** Tries a 2 x 2 product on `provider`; never throws for a provider that fails. */
export async function probeProvider(provider: Provider, options: ProbeOptions = {}): Promise<ProbeResult> {
  const folder = mkdtempSync(join(tmpdir(), 'sipf-probe-'));
  try {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [2, 2]);
    const model = join(folder, 'model.onnx');
    writeFileSync(model, serialise(graph, { y: matmul(x, x) }, { provider, locate: () => '' }).bytes);
    return resultOf(await runChild([runtimeEntry(), model, provider, outputName('y')], options));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Ended {
  readonly stdout: string;
  readonly stderr: string;
  /** Why the child did not end by itself with 0. */
  readonly failure: string | undefined;
}

function runChild(
  args: readonly string[],
  { env = process.env, timeoutMs = 60_000, signal }: ProbeOptions,
): Promise<Ended> {
  const settings = { env: { ...silent(env) }, timeout: timeoutMs, ...(signal ? { signal } : {}) };
  return new Promise((resolve) => {
    execFile(process.execPath, ['-e', CHILD, ...args], settings, (error, stdout, stderr) => {
      const ended =
        error && (error.signal ? `the process ended with ${error.signal}` : `the process ended with ${error.code}`);
      const failure = error?.killed ? `no answer in ${timeoutMs / 1000} s` : ended;
      resolve({ stdout, stderr, failure: failure ?? undefined });
    });
  });
}

function resultOf({ stdout, stderr, failure }: Ended): ProbeResult {
  const line = stdout.split('\n').find((each) => each.startsWith('probe:'));
  if (!line) return { available: false, reason: `${failure ?? 'no answer'}: ${plainReason(stderr)}` };
  const outcome = parse(line.slice('probe:'.length));
  if ('error' in outcome) return { available: false, reason: plainReason(outcome.error) };
  if (outcome.values.join() !== '7,10,15,22')
    return { available: false, reason: `computes wrong numbers: ${outcome.values}` };
  return failure ? { available: false, reason: `computes, but ${failure}` } : { available: true, reason: 'computes' };
}

function parse(text: string): { error: string } | { values: number[] } {
  try {
    return JSON.parse(text) as { error: string } | { values: number[] };
  } catch (thrown) {
    return { error: messageOf(thrown) };
  }
}
