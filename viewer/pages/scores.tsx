// A round's scores -> calibration, ROC within questions, reliability, and what they beat.
import type { ScoresReply, StepGroup } from '../../src/viewer/api.ts';
import { Loaded } from '../parts/loaded.tsx';
import { Note, Span } from '../parts/marks.tsx';
import { Plot } from '../parts/plot.tsx';
import { Wide } from '../parts/wide.tsx';
import { useApp, useReply, useRound, useRun, useTitle } from '../state/app.ts';
import { count, estimate, fixed, NOTHING, plural } from '../text/format.ts';
import { calibrationSeries, rocSeries } from './curves.ts';
import { Lists } from './filters.tsx';

export function ScoresPage() {
  useTitle('Scores');
  const { place } = useRun();
  const round = useRound();
  const reply = useReply<ScoresReply>('api/scores', { run: place, round: String(round) });
  return (
    <>
      <h1>Scores of round {round}</h1>
      <Loaded reply={reply}>{(data) => <Scores data={data} />}</Loaded>
      <h2>Questions where scores can be caught</h2>
      <Lists asked={{ run: place, round: String(round) }} query={{}} all={false} />
    </>
  );
}

export function Scores({ data }: { readonly data: ScoresReply }) {
  const { figures, scorers, byPosition, byLength, human } = data;
  if (figures === null && scorers.length === 0)
    return <Note>This round has no scores of labelled, held-out paths, or none yet.</Note>;
  return (
    <>
      {figures !== null && <Evidence figures={figures} />}
      <Scorers scorers={scorers} />
      <div class="plots">
        <Plot {...calibrationSeries(figures)} />
        <Plot {...rocSeries(scorers.map((scorer) => ({ ...scorer, name: scorerWords(scorer.name) })))} />
        <GroupPlot title="Reliability by step position" xLabel="step (and how many)" groups={byPosition} />
        <GroupPlot title="Reliability by step length" xLabel="characters (and how many steps)" groups={byLength} />
      </div>
      <Human human={human} />
    </>
  );
}

function Evidence({ figures }: { readonly figures: NonNullable<ScoresReply['figures']> }) {
  const { questions, paths, steps, stepAccuracy, majority, firstErrorAccuracy, firstErrorF1, calibration } = figures;
  const rows: readonly (readonly [string, string])[] = [
    ['step accuracy (95 %)', estimate(stepAccuracy)],
    ['always the commoner label', fixed(majority, 2)],
    ['first false step found (95 %)', estimate(firstErrorAccuracy)],
    ['first false step, F1 (95 %)', estimate(firstErrorF1)],
    ['expected calibration error', fixed(calibration.ece, 3)],
  ];
  return (
    <>
      <p class="dim">
        On {plural(paths, 'labelled path')} ({plural(steps, 'step')}) of {plural(questions, 'question')} that never
        trained a PRM. Intervals are over questions.
      </p>
      <dl class="figures">
        {rows.map(([name, words]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{words}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

const SCORERS: Readonly<Record<string, string>> = { meanLogp: 'mean log P', majority: 'the commoner label' };

function scorerWords(name: string): string {
  return SCORERS[name] ?? name;
}

function Scorers({ scorers }: { readonly scorers: ScoresReply['scorers'] }) {
  if (scorers.length === 0) return null;
  return (
    <Wide label="Table of scorers">
      <table>
        <caption>Does it rank right paths of one question above wrong ones?</caption>
        <thead>
          <tr>
            <th scope="col">scorer</th>
            <th scope="col">AUC within questions (95 %)</th>
            <th scope="col">0.4 to 1</th>
            <th scope="col">step accuracy (95 %)</th>
            <th scope="col">questions</th>
          </tr>
        </thead>
        <tbody>
          {scorers.map(({ name, auc, stepAccuracy }) => (
            <tr key={name}>
              <th scope="row">{scorerWords(name)}</th>
              <td>{estimate(auc)}</td>
              <td>
                {auc !== null && (
                  <Span low={auc.ci95[0]} high={auc.ci95[1]} at={auc.value} from={0.4} to={1} line={0.5} />
                )}
              </td>
              <td>{estimate(stepAccuracy)}</td>
              <td>{auc === null && stepAccuracy === null ? NOTHING : count((auc ?? stepAccuracy)?.n ?? 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}

interface GroupPlotProps {
  readonly title: string;
  readonly xLabel: string;
  readonly groups: readonly StepGroup[];
}

function GroupPlot({ title, xLabel, groups }: GroupPlotProps) {
  return (
    <Plot
      title={title}
      xLabel={xLabel}
      x={groups.map((_, i) => i)}
      xNames={groups.map(({ label, n }) => `${label} (${n})`)}
      yRange={[0, 1]}
      series={[
        {
          label: 'step accuracy',
          values: groups.map(({ accuracy }) => accuracy?.value ?? null),
          low: groups.map(({ accuracy }) => accuracy?.ci95[0] ?? null),
          high: groups.map(({ accuracy }) => accuracy?.ci95[1] ?? null),
        },
        { label: 'mean score', values: groups.map(({ score }) => score) },
        { label: 'labelled right', values: groups.map(({ frequency }) => frequency) },
      ]}
    />
  );
}

function Human({ human }: { readonly human: ScoresReply['human'] }) {
  const { labels } = useApp();
  const isNone = human.every(({ agreement }) => agreement === null);
  if (isNone && labels.set === null) return null;
  return (
    <div>
      <h2>Labels by hand</h2>
      {isNone ? (
        <Note>None that can be compared. On a step of a question, press g (good), b (bad) or u (unsure).</Note>
      ) : (
        <table>
          <thead>
            <tr>
              <th scope="col">agreement with</th>
              <th scope="col">share (95 %)</th>
              <th scope="col">n</th>
            </tr>
          </thead>
          <tbody>
            {human.map(({ with: other, agreement }) => (
              <tr key={other}>
                <th scope="row">{other}</th>
                <td>{estimate(agreement)}</td>
                <td>{agreement === null ? NOTHING : count(agreement.n)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
