// Settings of a Ray cluster that runs the program of a trainer.
import { z } from 'zod';
import { described } from '../described.ts';
import { MOST } from '../limits.ts';
import { PathMapping } from '../remote/paths.ts';
import { Address, API_KEY_FROM } from '../remote/server-settings.ts';

export const RaySettings = z.strictObject({
  url: described(
    Address,
    'The address of its dashboard, which has the Jobs API, such as http://head:8265. Every cluster needs one.',
  ),
  apiKeyFrom: API_KEY_FROM,
  cpus: described(
    z.number().min(0).default(0),
    'Processors that the job reserves. 0: none. Set it to what `command` uses where it trains on processors: Ray gives a job without them one thread.',
  ),
  gpus: described(
    z.number().min(0).default(0),
    'GPUs that the job reserves, on one machine. 0: none; a job that reserves nothing runs on the head. Set it to what `command` uses.',
  ),
  resources: described(
    z.record(z.string(), z.number().positive()).default({}),
    'Further resources of the cluster that the job reserves, by name. Give them where only some machines are for training.',
  ),
  runtimeEnv: described(
    z.record(z.string(), z.json()).default({}),
    'Fields of the runtime_env of the job, such as pip, conda, image_uri or env_vars. Give pip where the machines lack packages. It is kept in files: no secrets.',
  ),
  paths: described(
    z.array(PathMapping).default([]),
    'Where the cluster sees the folders of the run and of its models, which must be on a disk that both share. []: at the same paths as this machine.',
  ),
  storage: described(
    z
      .string()
      .regex(/^s3:\/\/[^/@:]+\/./, 'an address such as s3://bucket/jobs')
      .nullable()
      .default(null),
    'Where the files of a job and its model travel: s3://bucket/jobs. null: by a disk that both share. Set it where the cluster shares none with this machine.',
  ),
  retries: described(
    z.number().int().min(0).max(MOST.retries).default(10),
    'How often a request is sent again that the head did not answer; the waits double from half a second to 30 seconds. Raise it where the head takes minutes to restart.',
  ),
});
export type RaySettings = z.output<typeof RaySettings>;
