// The rounds of a run -> warnings, a table with intervals, curves, the cost of each stage.
import type { RoundRow, RoundsReply, TrainingReply, Warning } from '../../src/viewer/api.ts';
import { Loaded } from '../parts/loaded.tsx';
import { EstimateShare, Note, Share } from '../parts/marks.tsx';
import { Plot } from '../parts/plot.tsx';
import { Wide } from '../parts/wide.tsx';
import { useApp, useReply, useRun, useTitle } from '../state/app.ts';
import { hrefOf } from '../state/route.ts';
import { count, duration, estimate, fixed, NOTHING, paired, short } from '../text/format.ts';
import { nameOf, roundCurves, setNames, setOf } from './curves.ts';
import { Final } from './final.tsx';

export function RoundsPage() {
  useTitle('Rounds');
  const { run, place } = useRun();
  const rounds = useReply<RoundsReply>('api/rounds', { run: place });
  const training = useReply<TrainingReply>('api/training', { run: place });
  return (
    <>
      <h1 class="unseen-name">Rounds of {run?.name}</h1>
      <Loaded reply={rounds}>
        {(data) => <Rounds data={data} trainings={training.data?.trainings ?? []} place={place} />}
      </Loaded>
    </>
  );
}

interface RoundsProps {
  readonly data: RoundsReply;
  readonly trainings: TrainingReply['trainings'];
  readonly place: string;
}

export function Rounds({ data, trainings, place }: RoundsProps) {
  return (
    <>
      {data.onlyCheck && <Note kind="fault">This run only checks that everything runs. Its figures mean nothing.</Note>}
      <Warnings warnings={data.warnings} />
      {data.rounds.length === 0 ? (
        <Note>No round has a report yet.</Note>
      ) : (
        <>
          <RoundTable rounds={data.rounds} place={place} />
          <div class="plots">
            {roundCurves(data.rounds, trainings).map((plot) => (
              <Plot key={plot.title} {...plot} />
            ))}
          </div>
        </>
      )}
      <Final final={data.final} />
      <Costs rounds={data.rounds} />
    </>
  );
}

function Warnings({ warnings }: { readonly warnings: readonly Warning[] }) {
  if (warnings.length === 0) return null;
  return (
    <div class="warnings">
      <h2>Warnings</h2>
      <ul>
        {warnings.map(({ text, where }) => (
          <li key={text}>
            <b>{where.map((at) => (at === 'final' ? 'final' : `round ${at}`)).join(', ')}</b> {text}
          </li>
        ))}
      </ul>
    </div>
  );
}

function RoundTable({ rounds, place }: { readonly rounds: readonly RoundRow[]; readonly place: string }) {
  const sets = setNames(rounds);
  const hasSound = rounds.some(({ report }) => report?.sets.some(({ sound }) => sound !== null));
  return (
    <Wide label="Table of rounds">
      <table class="rounds">
        <caption>Differences are this round minus the one before, on the same questions</caption>
        <thead>
          <tr>
            <th scope="col">round</th>
            {sets.map((name) => (
              <th scope="col" key={name}>
                {name} right (95 %)
              </th>
            ))}
            {sets.map((name) => (
              <th scope="col" key={name}>
                {sets.length > 1 ? `${name} ` : ''}against before
              </th>
            ))}
            {hasSound && <th scope="col">sound (95 %)</th>}
            <th scope="col">step accuracy</th>
            <th scope="col">AUC scores</th>
            <th scope="col">AUC tallies</th>
            <th scope="col">AUC mean log P</th>
            <th scope="col">pairs</th>
            <th scope="col">time</th>
          </tr>
        </thead>
        <tbody>
          {rounds.map((row) => (
            <Round key={row.iteration} row={row} sets={sets} hasSound={hasSound} place={place} />
          ))}
        </tbody>
      </table>
    </Wide>
  );
}

interface RoundProps {
  readonly row: RoundRow;
  readonly sets: readonly string[];
  readonly hasSound: boolean;
  readonly place: string;
}

function Round({ row: { iteration, report, seconds }, sets, hasSound, place }: RoundProps) {
  const { server } = useApp();
  const own = sets.map((name) => setOf(report, name));
  const scores = report?.scores ?? null;
  const name = iteration === 0 ? '0 (start)' : String(iteration);
  const isLink = server.report === null && iteration > 0;
  return (
    <tr>
      <th scope="row">
        {isLink ? (
          <a href={hrefOf({ page: 'questions', query: { run: place, round: String(iteration) } })}>{name}</a>
        ) : (
          name
        )}
      </th>
      {own.map((set, i) => (
        <td key={sets[i]}>
          {set === null ? <span class="dim">{NOTHING}</span> : <Share value={set.accuracy} ci95={set.ci95} />}
        </td>
      ))}
      {own.map((set, i) => (
        <td key={sets[i]}>{set?.paired == null ? <span class="dim">{NOTHING}</span> : paired(set.paired)}</td>
      ))}
      {hasSound && (
        <td>
          {own.map((set) => (set?.sound == null ? null : <EstimateShare key={nameOf(set)} figure={set.sound} />))}
        </td>
      )}
      <td>{fixed(scores?.stepAccuracy?.value, 2)}</td>
      <td>{estimate(scores?.aucOutcome.scores)}</td>
      <td>{fixed(scores?.aucOutcome.tallies?.value, 2)}</td>
      <td>{fixed(scores?.aucOutcome.meanLogp?.value, 2)}</td>
      <td>{report?.pairs?.['pairs'] === undefined ? NOTHING : count(report.pairs['pairs'])}</td>
      <td>{duration(seconds)}</td>
    </tr>
  );
}

function Costs({ rounds }: { readonly rounds: readonly RoundRow[] }) {
  if (rounds.every(({ stages }) => stages.length === 0)) return null;
  const longest = Math.max(1e-9, ...rounds.flatMap(({ stages }) => stages.map(({ seconds }) => seconds ?? 0)));
  return (
    <div>
      <h2>Cost and time by stage</h2>
      <p class="dim">Small numbers: what the formulas of --dry-run say of the same stage.</p>
      <Wide label="Table of costs">
        <table class="costs">
          <thead>
            <tr>
              <th scope="col">round</th>
              <th scope="col" class="left">
                stage
              </th>
              <th scope="col" colSpan={2}>
                time
              </th>
              <th scope="col">prompt tokens</th>
              <th scope="col">generated tokens</th>
              <th scope="col">scored tokens</th>
              <th scope="col">trained tokens</th>
            </tr>
          </thead>
          {rounds.map((row) => (
            <RoundCosts key={row.iteration} row={row} longest={longest} />
          ))}
        </table>
      </Wide>
    </div>
  );
}

const TOKENS = ['promptTokens', 'generatedTokens', 'scoredTokens', 'trainTokens'] as const;

function RoundCosts({ row, longest }: { readonly row: RoundRow; readonly longest: number }) {
  return (
    <tbody>
      {row.stages.map((stage, i) => {
        const expected = row.estimated.find((other) => other.stage === stage.stage);
        return (
          <tr key={stage.stage}>
            <th scope="row">{i === 0 ? row.iteration : <span class="unseen-name">{row.iteration}</span>}</th>
            <td class="left">{stage.stage}</td>
            <td class="bar-cell">
              <svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                <rect class="part" width={(100 * (stage.seconds ?? 0)) / longest} height="10" />
              </svg>
            </td>
            <td>
              {duration(stage.seconds)}
              {expected?.seconds != null && <small class="dim"> {duration(expected.seconds)}</small>}
            </td>
            {TOKENS.map((name) => (
              <td key={name}>
                {stage[name] === 0 ? <span class="dim">{NOTHING}</span> : short(stage[name])}
                {expected !== undefined && expected[name] > 0 && <small class="dim"> {short(expected[name])}</small>}
              </td>
            ))}
          </tr>
        );
      })}
    </tbody>
  );
}
