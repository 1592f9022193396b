// 3, for the scorer probe: all labels so far, and a model's hidden states -> the probe.
import { readFile } from 'node:fs/promises';
import { check } from '../../io/check.ts';
import { Probe, probeLayers, stateReader } from '../../method/probe.ts';
import { trainProbe as train } from '../../method/train-probe.ts';
import { Counts } from '../../reports.ts';
import { stageOf, type Work } from '../workspace.ts';
import { type Stage, stageDone } from './stage.ts';
import { labelInputs, rowOptions, verifierOf } from './train-prm.ts';

const WRITES = '3-probe';

/** Trains the probe of the round's policy, or of the verifier, which stays as it is. */
export const trainProbe: Stage = stageDone(
  {
    writes: WRITES,
    settings: ['task', 'prompt', 'labels', 'prm', 'probe', 'score'],
    needed: ({ need, found }: Work) => need.probe && found.probe === null,
    inputs: async (work: Work) => ({
      data: work.data,
      model: verifierOf(work).hash,
      layers: work.config.probe.layers,
      options: rowOptions(work),
      unit: work.config.score.unit,
      ...(await labelInputs(work)),
    }),
  },
  perform,
  () => undefined,
);

async function perform(work: Work): Promise<void> {
  const { store, found, k } = work;
  const stage = stageOf(k, WRITES);
  const file = `${WRITES}.json`;
  const body = async () => {
    const { probe, counts, warnings } = await trained(work);
    for (const warning of warnings) store.warn(warning, stage);
    await store.writeRecords(stage, file, [probe]);
    return counts;
  };
  const inputs = await trainProbe.inputs(work);
  found.counts[WRITES] = await store.once({ stage, inputs, outputs: [file], result: Counts, body });
  const path = store.path(stage.folder, file);
  found.probe = check(Probe, JSON.parse(await readFile(path, 'utf8')), path);
}

async function trained(work: Work) {
  const { config, task, prompt, store, records, models, k } = work;
  await using model = await models.openPolicy(verifierOf(work));
  const reader = stateReader(model);
  const { signal } = store;
  return await train(() => records.groups({ to: k, labels: true }), {
    ...{ task, prompt, signal, unit: config.score.unit, ...rowOptions(work) },
    model: reader,
    layers: probeLayers(config.probe, reader.layers),
    onDone: (done, total) => store.onProgress({ stage: WRITES, iteration: k, done, total, unit: 'paths' }),
  });
}
