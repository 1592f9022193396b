// The trainings of a run -> loss, gradient norm, learning rate and speed, rounds together.
import type { TrainingReply, TrainingStep } from '../../src/viewer/api.ts';
import { Loaded } from '../parts/loaded.tsx';
import { Note } from '../parts/marks.tsx';
import { Plot, type PlotProps } from '../parts/plot.tsx';
import { useReply, useRun, useTitle } from '../state/app.ts';
import { plural } from '../text/format.ts';

export function TrainingPage() {
  useTitle('Training');
  const { place } = useRun();
  const reply = useReply<TrainingReply>('api/training', { run: place });
  return (
    <>
      <h1 class="unseen-name">Training</h1>
      <Loaded reply={reply}>{(data) => <Trainings data={data} />}</Loaded>
    </>
  );
}

type Training = TrainingReply['trainings'][number];

const WORDS: Readonly<Record<string, string>> = {
  '3-prm': 'Process reward model',
  '6-policy': 'Policy',
  'continued-sft': 'Control: continued SFT',
};

export function Trainings({ data: { trainings } }: { readonly data: TrainingReply }) {
  if (trainings.length === 0) return <Note>Nothing was trained yet.</Note>;
  const groups = Map.groupBy(trainings, groupOf);
  return (
    <>
      {[...groups].map(([name, own]) => (
        <div key={name}>
          <h2>
            {name}{' '}
            <small class="dim">
              {own.map(({ iteration, steps }) => `round ${iteration}: ${plural(steps, 'step')}`).join(' · ')}
            </small>
          </h2>
          <div class="plots">
            {plotsOf(own).map((plot) => (
              <Plot key={plot.title} {...plot} />
            ))}
          </div>
        </div>
      ))}
    </>
  );
}

/** The warm-up has another loss than the alignments: it stands alone. */
function groupOf({ stage, iteration }: Training): string {
  if (stage === '6-policy' && iteration === 0) return 'Warm-up';
  return WORDS[stage] ?? stage;
}

function plotsOf(trainings: readonly Training[]): readonly PlotProps[] {
  const longest = Math.max(...trainings.map(({ series }) => series.length));
  const x = Array.from({ length: longest }, (_, i) => i + 1);
  const lines = (pick: (step: TrainingStep, i: number, all: readonly TrainingStep[]) => number | null) =>
    trainings.map(({ iteration, series }) => ({
      label: `round ${iteration}`,
      values: x.map((_, i) => (series[i] === undefined ? null : pick(series[i], i, series))),
    }));
  const shared = { x, xLabel: 'optimizer step', isCourse: true };
  return [
    { ...shared, title: 'Loss', digits: 3, series: lines(({ loss }) => loss) },
    { ...shared, title: 'Gradient norm', digits: 2, series: lines(({ gradNorm }) => gradNorm) },
    { ...shared, title: 'Learning rate', digits: 4, series: lines(({ learningRate }) => learningRate) },
    { ...shared, title: 'Tokens a second', digits: 0, series: lines((_, i, all) => tokensPerSecond(all, i)) },
  ];
}

/** Over this many steps, because clocks are coarse. */
const OVER = 10;

function tokensPerSecond(series: readonly TrainingStep[], i: number): number | null {
  const first = series[i - OVER];
  const last = series[i];
  if (first?.seconds == null || last?.seconds == null || last.seconds <= first.seconds) return null;
  const tokens = series.slice(i - OVER + 1, i + 1).reduce((sum, step) => sum + step.tokens, 0);
  return tokens / (last.seconds - first.seconds);
}
