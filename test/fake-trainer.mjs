// Stands for train.py: `HOW train.py PLACE` -> reads a job and writes what training would.
// HOW says how it ends. Trained tensors are the first ones plus a number that depends on the steps alone.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const [how, , place] = process.argv.slice(2);
const bucket = place.startsWith('s3://') ? await import('./fake-bucket.mjs') : null;
const folder = bucket === null ? place : mkdtempSync(join(tmpdir(), 'sipf-fake-job-'));
const tell = (event, fields) => process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
const at = (name) => join(folder, name);
const write = async (name, content) => {
  writeFileSync(at(`${name}.draft`), content);
  renameSync(at(`${name}.draft`), at(name));
  await bucket?.put(`${place}/${name}`, content);
};
/** Whether somebody has put a file there. */
const isThere = async (name) => existsSync(at(name)) || ((await bucket?.has(`${place}/${name}`)) ?? false);

/** Names, shapes and values of a file of float32 tensors. */
function tensorsIn(file) {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const { __metadata__, ...entries } = JSON.parse(bytes.subarray(8, 8 + length).toString());
  return Object.entries(entries).map(
    ([
      name,
      {
        shape,
        data_offsets: [begin, end],
      },
    ]) => {
      const data = Uint8Array.from(bytes.subarray(8 + length + begin, 8 + length + end));
      return { name, shape, data: new Float32Array(data.buffer) };
    },
  );
}

function safetensors(tensors) {
  let offset = 0;
  const entries = tensors.map(({ name, shape, data }) => {
    offset += data.byteLength;
    return [name, { dtype: 'F32', shape, data_offsets: [offset - data.byteLength, offset] }];
  });
  const header = Buffer.from(JSON.stringify(Object.fromEntries(entries)));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, ...tensors.map(({ data }) => Buffer.from(data.buffer))]);
}

function trained(job, steps) {
  const start = tensorsIn(at('start.safetensors')).filter(({ name }) => !name.startsWith('below.'));
  const base = job.lora === null ? tensorsIn(join(job.model, 'model.safetensors')) : [];
  const isRead = ({ name }) => job.objective.kind !== 'prm' || !name.startsWith('lm_head');
  const all = [...base.filter((tensor) => !/^score\./.test(tensor.name) && isRead(tensor)), ...start];
  return all.map((tensor) => ({ ...tensor, data: tensor.data.map((value) => value + 1e-3 * steps.length) }));
}

let stop = false;
process.on('SIGTERM', () => {
  stop = true;
});
// Its driver may be gone: `deaf` works on without it.
process.stdout.on('error', () => how === 'deaf' || process.exit(1));

const FIGURES = Object.fromEntries(
  ['right', 'nll', 'share', 'chosen', 'rejected', 'rewardChosen', 'rewardRejected', 'odds', 'losses', 'clamped'].map(
    (name) => [name, 0.5],
  ),
);
const ENDS = {
  crash() {
    process.stderr.write('Traceback (most recent call last):\n  File "loop.py"\nValueError: no such luck\u001b[2J\n');
    process.exit(1);
  },
  launched() {
    const summary = Array.from({ length: 20 }, (_, n) => `summary ${n}`).join('\n');
    process.stderr.write(`[rank1]: KeyError: 'below'\n${summary}\nelastic.ChildFailedError: train.py FAILED\n`);
    process.exit(1);
  },
  killed: () => process.kill(process.pid, 'SIGKILL'),
  memory() {
    tell('error', { code: 'crashed', message: 'Expected enough memory to train, got: CUDA out of memory. Lower it.' });
    process.exit(2);
  },
  diverged() {
    tell('diverged', { step: 2, loss: 'NaN', gradNorm: 'Infinity' });
    process.exit(3);
  },
  silent: () => process.exit(0),
  child() {
    const { pid } = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 600000)'], { stdio: 'inherit' });
    process.stderr.write(`left ${pid}\n`);
    process.exit(1);
  },
};

async function train() {
  await bucket?.get(place, folder);
  const job = JSON.parse(readFileSync(at('job.json'), 'utf8'));
  if (bucket !== null) {
    const model = mkdtempSync(join(folder, 'model-'));
    await bucket.get(job.model, model);
    job.model = model;
  }
  const plan = readFileSync(at('steps.jsonl'), 'utf8').trimEnd().split('\n');
  const steps = existsSync(at('progress.json')) ? JSON.parse(readFileSync(at('progress.json'), 'utf8')).steps : [];
  tell('started', { step: steps.length, device: 'cpu', processes: 1 });
  if (how === 'noise') process.stdout.write('Loading weights: 100%\n{"event": "nothing"}\n{"event\n');
  if (how === 'noise') tell('warning', { message: 'mind the gap' });
  const save = () => write('progress.json', JSON.stringify({ steps }));
  while (steps.length < plan.length) {
    await wait({ deaf: 400, steady: 200 }[how] ?? 4);
    // Until somebody makes the file, or asks for an end.
    while (how === 'held' && steps.length === 3 && !stop && !(await isThere('go'))) await wait(10);
    if (stop) return save();
    if (steps.length === 2) ENDS[how]?.();
    const step = { step: steps.length, loss: 1 / (1 + steps.length), gradNorm: 1, figures: FIGURES };
    tell('step', step);
    steps.push(step);
    if (steps.length % job.checkpointEverySteps === 0) await save();
  }
  await save();
  const tensors = trained(job, steps);
  await write('trained.safetensors', safetensors(how === 'other' ? tensors.slice(1) : tensors));
  tell('finished', { changed: how !== 'unchanged' });
}

/** What is installed, as HOW says: nothing in `bare`, another torch in `older`. */
function check() {
  const versions = { bare: [null, null], older: ['2.14.1+cpu', '5.23.0'] }[how] ?? ['2.15.0+cu132', '5.23.0'];
  const packages = ['torch', 'transformers'].map((name, n) => {
    return { name, wanted: ['2.15.0', '5.23.0'][n], found: versions[n] };
  });
  const devices = how === 'gpu' ? ['NVIDIA H200'] : [];
  const problem = how === 'broken' ? 'ImportError: libcudart' : null;
  tell('check', {
    python: '3.11.7',
    packages,
    devices,
    problem,
    requirements: '/there/requirements.txt',
    storage: how === 'away' ? 'Expected to list it, got no keys there.' : null,
  });
}

if (place === '--check') check();
else await train();
if (bucket !== null) rmSync(folder, { recursive: true });
process.exit(0);
