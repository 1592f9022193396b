// The Backend port -> messages to the engine's one worker thread, so that the calling thread stays free. A crash of that thread is an error.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Backend, Completion, DrawnText, Policy, ProcessRewardModel, TrainStep } from '../../backend.ts';
import { silenceRuntime } from '../../engine/runtime/telemetry.ts';
import { RpcClient } from '../rpc.ts';
import type { WorkerCalls, WorkerData } from './worker-calls.ts';

/** How long a closing thread may take to end by itself, in milliseconds. */
const CLOSING_MS = 5000;

/**
 * Starts the engine's thread; disposing the backend ends it.
 * @param entry compiled worker.js; tests of the sources name the built one.
 */
export function createWorkerBackend(
  options: WorkerData,
  entry: URL = new URL('./worker.js', import.meta.url),
): Backend {
  silenceRuntime();
  const worker = new Worker(entry, { workerData: options, name: 'sipf-engine' });
  const client = new RpcClient<WorkerCalls>(worker);
  worker.on('error', (error: Error) => client.break(error));
  worker.on('messageerror', (error: Error) => client.break(error));
  worker.on('exit', (code) =>
    client.break(new Error(`The engine's thread has ended (code ${code}) and answers no more.`)),
  );
  return {
    openPolicy: async (source) => remotePolicy(client, await client.call('openPolicy', source)),
    openPrm: async (source) => remotePrm(client, await client.call('openPrm', source)),
    train: (job, onStep, call) =>
      client.call('train', job, { signal: call?.signal, onTell: (step: TrainStep) => onStep(step) }),
    facts: (source) => client.call('facts', source),
    initModel: (out, init, call) => client.call('initModel', { out, init }, { signal: call?.signal }),
    [Symbol.asyncDispose]: () => close(worker, client),
  };
}

function remotePolicy(client: RpcClient<WorkerCalls>, opened: WorkerCalls['openPolicy'][1]): Policy {
  const { handle, hash, contextLength, warnings } = opened;
  return {
    hash,
    contextLength,
    warnings,
    generate: (requests, onFinished, call) =>
      client.call(
        'generate',
        { handle, argument: requests, tellsText: call?.onText !== undefined },
        {
          signal: call?.signal,
          onAsk: (finished: readonly Completion[]) => onFinished(finished),
          onTell: (drawn: readonly DrawnText[]) => call?.onText?.(drawn),
        },
      ),
    logps: (items, call) => client.call('logps', { handle, argument: items }, { signal: call?.signal }),
    chatPrompt: (messages) => client.call('chatPrompt', { handle, argument: messages }),
    countTokens: (texts) => client.call('countTokens', { handle, argument: texts }),
    [Symbol.asyncDispose]: async () => void (await client.call('release', handle)),
  };
}

function remotePrm(client: RpcClient<WorkerCalls>, opened: WorkerCalls['openPrm'][1]): ProcessRewardModel {
  const { handle, hash, contextLength, warnings } = opened;
  return {
    hash,
    contextLength,
    warnings,
    score: (paths, call) => client.call('score', { handle, argument: paths }, { signal: call?.signal }),
    countTokens: (texts) => client.call('countTokens', { handle, argument: texts }),
    [Symbol.asyncDispose]: async () => void (await client.call('release', handle)),
  };
}

/** Lets the thread release its sessions and end; one that is gone already, or hangs, is not waited for. */
async function close(worker: Worker, client: RpcClient<WorkerCalls>): Promise<void> {
  if (worker.threadId === -1) return;
  const ended = once(worker, 'exit');
  const timer = setTimeout(() => void worker.terminate(), CLOSING_MS);
  await client.call('close', null).catch(() => worker.terminate());
  await ended;
  clearTimeout(timer);
}
