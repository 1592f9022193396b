// The engine's own thread: messages in -> calls of the in-process backend. Started by worker-client.ts; exactly one a process.
import { parentPort, workerData } from 'node:worker_threads';
import type { Completion, GenerateRequest, Policy, ProcessRewardModel } from '../../backend.ts';
import { serve } from '../rpc.ts';
import { createInProcessBackend } from './in-process.ts';
import type { WorkerCalls, WorkerData } from './worker-calls.ts';

if (!parentPort) throw new Error('worker.ts runs as a worker thread only');
const port = parentPort;
const backend = createInProcessBackend(workerData as WorkerData);
const held = new Map<number, AsyncDisposable>();
let opened = 0;

function hold(model: AsyncDisposable): number {
  held.set(++opened, model);
  return opened;
}

function open<T>(handle: number): T {
  const model = held.get(handle);
  if (!model) throw new Error(`Model ${handle} is not open`);
  return model as T;
}

async function release(handle: number): Promise<void> {
  const model = held.get(handle);
  held.delete(handle);
  await model?.[Symbol.asyncDispose]();
}

serve<WorkerCalls>(port, {
  async openPolicy(source) {
    const policy = await backend.openPolicy(source);
    const { hash, contextLength, warnings } = policy;
    return { handle: hold(policy), hash, contextLength, warnings };
  },
  async openPrm(source) {
    const prm = await backend.openPrm(source);
    const { hash, contextLength, warnings } = prm;
    return { handle: hold(prm), hash, contextLength, warnings };
  },
  generate: ({ handle, argument, tellsText }, { ask, tell, signal }) =>
    open<Policy>(handle).generate(
      argument,
      async (finished: readonly Completion[]) => (await ask(finished)) as readonly GenerateRequest[],
      { signal, onText: tellsText ? tell : undefined },
    ),
  logps: ({ handle, argument }, { signal }) => open<Policy>(handle).logps(argument, { signal }),
  chatPrompt: ({ handle, argument }) => open<Policy>(handle).chatPrompt(argument),
  countTokens: ({ handle, argument }) => open<Policy | ProcessRewardModel>(handle).countTokens(argument),
  score: ({ handle, argument }, { signal }) => open<ProcessRewardModel>(handle).score(argument, { signal }),
  async release(handle) {
    await release(handle);
    return null;
  },
  train: (job, { tell, signal }) => backend.train(job, tell, { signal }),
  facts: (source) => backend.facts(source),
  initModel: ({ out, init }, { signal }) => backend.initModel(out, init, { signal }),
  async close() {
    for (const handle of [...held.keys()]) await release(handle);
    await backend[Symbol.asyncDispose]();
    // The thread ends by itself once nothing listens; the answer is sent first.
    setImmediate(() => port.close());
    return null;
  },
});
