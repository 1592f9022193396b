// Labels by hand that this page has sent -> what paths show until a newer reply has them.
import { type ReadonlySignal, signal } from '@preact/signals';
import type { HumanLabel, PathView } from '../../src/viewer/api.ts';
import { type Server, wordsOf } from './server.ts';

export interface HandLabels {
  /** null: in a report, which cannot be written to. */
  readonly set: ((run: string, sampleId: string, step: number, label: HumanLabel['label']) => Promise<string>) | null;
  /** The path with the labels sent from here. */
  over(run: string, path: PathView): PathView;
}

export function createHandLabels(server: Server): HandLabels {
  const sent = signal<ReadonlyMap<string, HumanLabel>>(new Map());
  if (server.report !== null) return { set: null, over: (_, path) => path };
  return {
    set: async (run, sampleId, step, label) => {
      try {
        const kept = await server.label(run, { sampleId, step, label });
        sent.value = new Map(sent.value).set(keyOf(run, sampleId, step), kept);
        return label === null ? 'Label taken back' : `Labelled ${label}`;
      } catch (error) {
        return `Not labelled: ${wordsOf(error)}`;
      }
    },
    over: (run, path) => withSent(run, path, sent),
  };
}

function withSent(run: string, path: PathView, sent: ReadonlySignal<ReadonlyMap<string, HumanLabel>>): PathView {
  const labels = path.sample.steps.map((_, step) => sent.value.get(keyOf(run, path.sample.id, step)));
  if (labels.every((label) => label === undefined)) return path;
  return { ...path, human: labels.map((label, step) => newer(label, path.human[step] ?? null)) };
}

function newer(sent: HumanLabel | undefined, read: HumanLabel | null): HumanLabel | null {
  if (sent === undefined) return read;
  return read !== null && read.time > sent.time ? read : sent;
}

function keyOf(run: string, sampleId: string, step: number): string {
  return JSON.stringify([run, sampleId, step]);
}
