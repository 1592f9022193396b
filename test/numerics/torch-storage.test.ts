// train.py by torch and boto3, its bucket stood for -> the training of a disk in common; refusals.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TrainJob, TrainOptions } from '../../src/backend.ts';
import { PROGRAM, PROGRAM_FOLDER } from '../../src/trainers/torch/launch.ts';
import { FakeRay } from '../ray-head.ts';
import { S3Server } from '../s3-server.ts';
import { torchBy, torchPython } from '../torch-python.ts';
import { modelWithTokenizer, OPTIONS, scratch } from '../training-fixtures.ts';

describe.skipIf(torchPython === null)('a training in a bucket', () => {
  const python = torchPython ?? 'none';
  const temporary = join(scratch, 'temporary');
  const before = { ...process.env };
  let server: S3Server;
  let ray: FakeRay;
  beforeAll(async () => {
    mkdirSync(temporary);
    server = await S3Server.start('bucket');
    Object.assign(process.env, server.env, { TMPDIR: temporary });
    ray = await new FakeRay({ folder: join(scratch, 'ray-torch'), cwd: PROGRAM_FOLDER }).open();
  });
  afterAll(async () => {
    process.env = before;
    await ray[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  const options: TrainOptions = { ...OPTIONS, maxSteps: 4, batchSize: 2, maxLength: 60, checkpointEverySteps: 2 };
  const jobOf = (out: string, lora: TrainOptions['lora']): TrainJob => ({
    source: { model: modelWithTokenizer('models/llama', 512) },
    examples: [1, 2, 3].map((n) => ({ kind: 'sft', prompt: `one plus ${n} `, completion: [`is ${n}`] })),
    out: join(scratch, out),
    options: { ...options, lora },
  });
  const away = (command: readonly string[]) => torchBy(command, { ray: { url: ray.url, storage: 's3://bucket/jobs' } });
  const torchrun = [python, '-m', 'torch.distributed.run', '--nproc_per_node', '2'];

  it.each([
    ['by one process', [python], { rank: 2, alpha: 4, dropout: 0, targets: ['q_proj' as const] }],
    ['of all weights, by two processes', torchrun, null],
  ])('%s is that of a disk in common', { timeout: 300_000 }, async (name, command, lora) => {
    const { trainer, log } = away(command);
    const { steps } = await trainer.train(jobOf(`away ${name}`, lora), () => undefined);
    const own = await torchBy(command).trainer.train(jobOf(`here ${name}`, lora), () => undefined);
    for (const [n, { loss }] of own.steps.entries()) expect(steps[n]?.loss).toBeCloseTo(loss, 5);
    expect([steps.length, log.length]).toEqual([4, lora === null ? 3 : 4]);
    expect([...server.objects.keys()].filter((key) => !key.includes('/models/'))).toEqual([]);
    expect(readdirSync(temporary).filter((file) => file.startsWith('sipf-'))).toEqual([]);
  });

  /** The error of a program that is given a job in the bucket. */
  async function refusal(env: Record<string, string | undefined>, place = 's3://bucket/none'): Promise<string> {
    const own = { ...process.env, AWS_EC2_METADATA_DISABLED: 'true', AWS_MAX_ATTEMPTS: '1', ...env };
    const child = spawn(python, [join(PROGRAM_FOLDER, PROGRAM), place], { env: own });
    const said: string[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes: Buffer) => said.push(String(bytes)));
    await once(child, 'close');
    return said.join('');
  }

  it.each([
    [{}, 's3://bucket/none', /read s3:\/\/bucket\/none\/job\.json from \S+, where .*nothing there\./],
    [{}, 's3://other/none', /no bucket of that name\. Make the bucket/],
    [{ AWS_ACCESS_KEY_ID: 'nobody' }, 's3://bucket/none', /a refusal: no such key\. Correct AWS_ACCESS_KEY_ID/],
    [
      { AWS_ACCESS_KEY_ID: undefined, AWS_SHARED_CREDENTIALS_FILE: '/none', AWS_CONFIG_FILE: '/none' },
      's3://bucket/none',
      /no keys there\. Set AWS_ACCESS_KEY_ID/,
    ],
    [{ AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' }, 's3://bucket/none', /no answer .*AWS_ENDPOINT_URL_S3 there/],
  ])('refuses %o of %s', { timeout: 100_000 }, async (env, place, says) => {
    expect(await refusal(env, place)).toMatch(says);
  });

  it('says where the bucket is full, and continues from the checkpoint there', { timeout: 300_000 }, async () => {
    server.refuses = ({ what, path }) => (what === 'PUT' && /state-4/.test(path) ? 'XMinioStorageFull' : null);
    const job = jobOf('away full', null);
    await expect(away([python]).trainer.train(job, () => undefined)).rejects.toMatchObject({
      code: 'provider-unavailable',
      message: expect.stringMatching(
        /write s3:\S+state-4.* from \S+, where .*a full disk there\. Free some space there/,
      ),
    });
    server.refuses = () => null;
    const { trainer, log } = away([python]);
    expect((await trainer.train(job, () => undefined)).steps.length).toBe(4);
    expect(log.at(-1)).toMatch(/from optimizer step 2 on\.$/);
  });
});
