// Two policies on the same questions -> paired tests, and which answers changed.
import type { FinalReport } from '../../src/reports.ts';
import type { ComparedAnswer, CompareReply, RoundsReply, RunHead } from '../../src/viewer/api.ts';
import { Cell, type Columns, HeadCells, WaitingCell } from '../parts/cells.tsx';
import { Diff } from '../parts/diff.tsx';
import { Found } from '../parts/found.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { Note, OutcomeMark, OutcomeWords } from '../parts/marks.tsx';
import { VirtualList } from '../parts/virtual-list.tsx';
import { Wide } from '../parts/wide.tsx';
import { useApp, useReply, useTitle } from '../state/app.ts';
import { useCurrentRow } from '../state/current-row.ts';
import { changed, type Query } from '../state/route.ts';
import { useRows } from '../state/rows.ts';
import { count, NOTHING, paired, percent, plural } from '../text/format.ts';
import { ModelText, Plain } from '../text/model-text.tsx';
import { Choice } from './filters.tsx';

export function ComparePage() {
  useTitle('Compare');
  const { router, live } = useApp();
  const { query } = router.route.value;
  const runs = live.runs.value ?? [];
  const first = query['first'] ?? defaultSide(runs, 0);
  const second = query['second'] ?? defaultSide(runs, 1);
  const set = (changes: Query): void =>
    router.replace({ page: 'compare', query: changed(query, { first, second, ...changes, at: null }) });
  const own = useReply<RoundsReply>('api/rounds', { run: sideOf(first).run });
  if (own.data !== null && policiesOf(own.data).length === 0) return <Note>No policy was evaluated yet.</Note>;
  return (
    <>
      <h1 class="unseen-name">Two policies side by side</h1>
      <div class="filters">
        <SideChoice label="First" value={first} onChoice={(side) => set({ first: side })} />
        <SideChoice label="Second" value={second} onChoice={(side) => set({ second: side })} />
      </div>
      {(own.data !== null || own.error !== null) && <Compared sides={{ first, second }} />}
    </>
  );
}

/** `RUN:POLICY` of the address. */
function sideOf(side: string): { readonly run: string; readonly policy: string } {
  const [run = '0', policy = '0'] = side.split(':');
  return { run, policy };
}

/** The latest rounds of the first two runs; of one run, its last round and its start. */
function defaultSide(runs: readonly RunHead[], side: 0 | 1): string {
  const latest = (run: number): string =>
    `${run}:${Math.max(0, (runs[run]?.rounds ?? 1) - (runs[run]?.finished === false ? 2 : 1))}`;
  if (side === 0) return latest(0);
  return runs.length > 1 ? latest(1) : '0:0';
}

interface SideChoiceProps {
  readonly label: string;
  readonly value: string;
  readonly onChoice: (side: string) => void;
}

function SideChoice({ label, value, onChoice }: SideChoiceProps) {
  const runs = useApp().live.runs.value ?? [];
  const { run, policy } = sideOf(value);
  const rounds = useReply<RoundsReply>('api/rounds', { run });
  return (
    <fieldset class="side-choice">
      <legend>{label}</legend>
      {runs.length > 1 && (
        <Choice
          label="Run"
          value={run}
          options={runs.map(({ name }, i) => [String(i), name])}
          onChoice={(to) => onChoice(`${to}:${policy}`)}
        />
      )}
      <Choice
        label="Policy"
        value={policy}
        options={policiesOf(rounds.data)}
        onChoice={(to) => onChoice(`${run}:${to}`)}
      />
    </fieldset>
  );
}

function policiesOf(rounds: RoundsReply | null): readonly (readonly [string, string])[] {
  if (rounds === null) return [];
  const own = rounds.rounds.filter(({ report }) => report !== null);
  return [
    ...own.map(({ iteration }) => [String(iteration), iteration === 0 ? 'start' : `round ${iteration}`] as const),
    ...finalsOf(rounds.final),
  ];
}

function finalsOf(final: FinalReport | null): readonly (readonly [string, string])[] {
  return (final?.rows ?? []).map(({ name }) => [name, `${name}, final`] as const);
}

interface Sides {
  readonly first: string;
  readonly second: string;
}

const CHANGES = [
  ['', 'All'],
  ['gained', 'Only the first is right'],
  ['lost', 'Only the second is right'],
] as const;

function Compared({ sides }: { readonly sides: Sides }) {
  const { router } = useApp();
  const { query } = router.route.value;
  const asked = changed({ ...sides }, { change: query['change'] });
  const head = useReply<CompareReply>('api/compare', { ...sides, offset: '0', limit: '0' });
  return (
    <Loaded reply={head}>
      {(data) => (
        <>
          <Sets sets={data.sets} />
          <fieldset class="lists">
            <legend class="unseen-name">Which answers</legend>
            {CHANGES.map(([value, words]) => (
              <button
                type="button"
                key={words}
                aria-pressed={(query['change'] ?? '') === value}
                onClick={() =>
                  router.replace({ page: 'compare', query: changed(query, { ...sides, change: value, at: null }) })
                }
              >
                {words}
              </button>
            ))}
          </fieldset>
          <Answers asked={asked} />
        </>
      )}
    </Loaded>
  );
}

export function Sets({ sets }: Pick<CompareReply, 'sets'>) {
  if (sets.length === 0) return <Note>These two have no set of questions in common.</Note>;
  return (
    <Wide label="Table of sets">
      <table>
        <caption>On the same questions; differences are first minus second</caption>
        <thead>
          <tr>
            <th scope="col">set</th>
            <th scope="col">first right</th>
            <th scope="col">second right</th>
            <th scope="col">difference (95 %)</th>
            <th scope="col">only first</th>
            <th scope="col">only second</th>
            <th scope="col">sound, difference (95 %)</th>
            <th scope="col">questions in one alone</th>
          </tr>
        </thead>
        <tbody>
          {sets.map((set) => (
            <tr key={`${set.task}/${set.split}`}>
              <th scope="row">
                {set.task}/{set.split}
              </th>
              <td>{percent(set.accuracies[0])}</td>
              <td>{percent(set.accuracies[1])}</td>
              <td>{set.accuracy === null ? NOTHING : paired(set.accuracy)}</td>
              <td>{set.accuracy === null ? NOTHING : count(set.accuracy.better)}</td>
              <td>{set.accuracy === null ? NOTHING : count(set.accuracy.worse)}</td>
              <td>{set.sound === null ? NOTHING : paired(set.sound)}</td>
              <td>{count(set.onlyFirst + set.onlySecond)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}

const read = ({ total, answers }: CompareReply) => ({ total, rows: answers });

function Answers({ asked }: { readonly asked: Query }) {
  const rows = useRows('api/compare', asked, read);
  const [current, setCurrent] = useCurrentRow(rows.total);
  const chosen = rows.at(current);
  return (
    <div class="split">
      <div class="filling">
        <Found rows={rows}>{(total) => plural(total, 'question')}</Found>
        <VirtualList
          label="Answers"
          head={<HeadCells columns={COLUMNS} />}
          rows={rows.total ?? 0}
          rowHeight={30}
          current={current}
          onDrawn={rows.onDrawn}
          row={(index) => <Row answer={rows.at(index)} onChoice={() => setCurrent(index)} />}
        />
      </div>
      {chosen !== null && <Answer answer={chosen} />}
    </div>
  );
}

const COLUMNS: Columns = [
  ['c-side', 'first'],
  ['c-side', 'second'],
  ['c-question', 'question'],
];

function Row({ answer, onChoice }: { readonly answer: ComparedAnswer | null; readonly onChoice: () => void }) {
  if (answer === null) {
    return <WaitingCell />;
  }
  return (
    <>
      <Cell of="c-side">
        <OutcomeMark outcome={answer.first.outcome} />
      </Cell>
      <Cell of="c-side">
        <OutcomeMark outcome={answer.second.outcome} />
      </Cell>
      <Cell of="c-question">
        <button type="button" class="link" onClick={onChoice}>
          <Plain text={answer.first.question} />
        </button>
      </Cell>
    </>
  );
}

function Answer({ answer: { questionId, first, second } }: { readonly answer: ComparedAnswer }) {
  return (
    <section class="answer" aria-label={`Answers to ${questionId}`} aria-live="polite">
      <div class="question-body">
        <ModelText text={first.question} />
      </div>
      <p class="facts">
        <span class="dim">
          <Plain text={questionId} />
        </span>
        <span>
          answer{' '}
          <b>
            <Plain text={first.reference} />
          </b>
        </span>
      </p>
      <div class="sides">
        {[first, second].map((side, i) => (
          <p class="facts" key={i === 0 ? 'first' : 'second'}>
            <b>{i === 0 ? 'first' : 'second'}</b> <OutcomeWords outcome={side.outcome} />{' '}
            <Plain text={side.extracted ?? 'no answer'} />
          </p>
        ))}
      </div>
      <Diff left={linesOf(first.completion)} right={linesOf(second.completion)} heads={['first', 'second']} />
    </section>
  );
}

function linesOf(completion: string): readonly string[] {
  return completion.split('\n').filter((line) => line !== '');
}
