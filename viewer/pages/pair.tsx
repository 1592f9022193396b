// One pair -> both paths side by side, its margin, and how log-probabilities moved.
import type { PairReply, PathView } from '../../src/viewer/api.ts';
import { Crumbs } from '../parts/crumbs.tsx';
import { Diff } from '../parts/diff.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { Note, OutcomeWords, Score, Setting } from '../parts/marks.tsx';
import { useApp, useKeys, useReply, useTitle } from '../state/app.ts';
import { useNeighbours, whyNoNeighbour } from '../state/neighbours.ts';
import { changed, hrefOf, type Route, wholeIn } from '../state/route.ts';
import { Code } from '../text/code.tsx';
import { count, fixed } from '../text/format.ts';
import { ModelText, Plain } from '../text/model-text.tsx';
import { type AskedPairs, pairRoute, useAskedPairs, usePairs } from './pairs.tsx';

export function PairPage() {
  const app = useApp();
  const asked = useAskedPairs();
  const index = wholeIn(app.router.route.value.query, 'index') ?? 0;
  useTitle(`Pair ${count(index + 1)}`);
  const reply = useReply<PairReply>('api/pair', { run: asked.run, round: asked.round, index: String(index) });
  const list = useNeighbours(usePairs(asked));
  const up: Route = { page: 'pairs', query: changed({ ...asked }, { at: list.at === null ? null : String(list.at) }) };
  const neighbour = (change: 1 | -1): Route | null => {
    const row = change === 1 ? list.after : list.before;
    return row === null ? null : pairRoute(asked, row, (list.at ?? 0) + change);
  };
  const walk = (change: 1 | -1) => (): void => {
    const to = neighbour(change);
    if (to === null) app.said.value = whyNoNeighbour(list, change, 'pair');
    else app.router.replace(to);
  };
  useKeys({ j: walk(1), ']': walk(1), k: walk(-1), '[': walk(-1), Escape: () => app.router.go(up) });
  return (
    <>
      <Crumbs
        up={up}
        words={asked.alone === 'true' ? 'Paths alone' : 'Pairs'}
        at={list.at}
        total={list.total}
        before={neighbour(-1)}
        after={neighbour(1)}
      />
      <Loaded reply={reply}>{(data) => <Pair data={data} index={index} asked={asked} />}</Loaded>
    </>
  );
}

interface PairProps {
  readonly data: PairReply;
  readonly index: number;
  readonly asked: AskedPairs;
}

function Pair({ data, index, asked: { run, round } }: PairProps) {
  const { pair, question, chosen, rejected } = data;
  const margin = pair.rejected === null ? null : marginOf(pair.chosen.score, pair.rejected.score);
  return (
    <>
      <h1 class="unseen-name">Pair of {pair.questionId}</h1>
      <div class="question-body">
        <ModelText text={pair.question} />
      </div>
      <p class="facts">
        <span>no. {count(index + 1)}</span>
        <a href={hrefOf({ page: 'question', query: { run, round, id: pair.questionId } })}>
          <Plain text={pair.questionId} />
        </a>
        {question !== null && question.tests === undefined && (
          <span>
            answer{' '}
            <b>
              <Plain text={question.answer} />
            </b>
          </span>
        )}
        {margin !== null && (
          <span>
            margin <b class="figure">{fixed(margin, 3)}</b>
          </span>
        )}
        {pair.shared !== undefined && <span>first {pair.shared} steps are context</span>}
      </p>
      <Sides chosen={chosen} rejected={rejected} pair={pair} />
      {pair.rejected === null ? (
        <Alone steps={pair.chosen.steps} isCode={question?.tests !== undefined} />
      ) : (
        <Diff left={pair.chosen.steps} right={pair.rejected.steps} heads={['chosen', 'rejected']} />
      )}
      <Moved data={data} />
    </>
  );
}

function marginOf(chosen: number | null, rejected: number | null): number | null {
  return chosen === null || rejected === null ? null : chosen - rejected;
}

function Alone({ steps, isCode }: { readonly steps: readonly string[]; readonly isCode: boolean }) {
  return (
    <>
      <Note>A right path without a partner: it trains by its likelihood alone.</Note>
      {isCode ? <Code text={steps.join('')} /> : <ModelText text={steps.join('\n')} />}
    </>
  );
}

type Pair = PairReply['pair'];

function Sides({
  chosen,
  rejected,
  pair,
}: {
  readonly chosen: PathView | null;
  readonly rejected: PathView | null;
  readonly pair: Pair;
}) {
  return (
    <div class="sides">
      <SideFacts name="chosen" path={chosen} side={pair.chosen} />
      {pair.rejected !== null && <SideFacts name="rejected" path={rejected} side={pair.rejected} />}
    </div>
  );
}

function SideFacts({
  name,
  path,
  side,
}: {
  readonly name: string;
  readonly path: PathView | null;
  readonly side: Pair['chosen'];
}) {
  return (
    <p class="facts">
      <b>{name}</b>
      {path !== null && <OutcomeWords outcome={path.sample.outcome} />}
      {path !== null && <Plain text={path.sample.extracted ?? 'no answer'} />}
      <span>
        path score <Score value={side.score} digits={3} />
      </span>
      <span class="dim">
        <Plain text={side.sampleId} />
      </span>
    </p>
  );
}

/** Before and after the alignment: of this pair, and of the round's measured pairs. */
function Moved({ data: { own, logps } }: { readonly data: PairReply }) {
  return (
    <div>
      <h2>Log-probabilities in training</h2>
      {own === null && (
        <Note>
          Those of this pair were not measured. Set <Setting name="evaluate.logpPairs" /> to the number of pairs in the
          next run.
        </Note>
      )}
      {(own !== null || logps !== null) && (
        <table>
          <caption class="unseen-name">Mean log-probability of a token, before and after the alignment</caption>
          <thead>
            <tr>
              <th scope="col">mean log P of a token</th>
              <th scope="col">before</th>
              <th scope="col">after</th>
              <th scope="col">change</th>
            </tr>
          </thead>
          <tbody>
            {own !== null && <MovedRow name="chosen, this pair" values={own.chosen} />}
            {own !== null && own.rejected !== null && <MovedRow name="rejected, this pair" values={own.rejected} />}
            {logps !== null && (
              <>
                <MovedRow name={`chosen, ${logps.n} pairs`} values={[logps.chosen.before, logps.chosen.after]} />
                <MovedRow name={`rejected, ${logps.n} pairs`} values={[logps.rejected.before, logps.rejected.after]} />
              </>
            )}
          </tbody>
        </table>
      )}
    </div>
  );
}

function MovedRow({
  name,
  values: [before, after],
}: {
  readonly name: string;
  readonly values: readonly [number, number];
}) {
  const change = after - before;
  return (
    <tr>
      <th scope="row">{name}</th>
      <td>{fixed(before, 3)}</td>
      <td>{fixed(after, 3)}</td>
      <td>
        {change > 0 ? '▲ +' : '▼ '}
        {fixed(change, 3)}
      </td>
    </tr>
  );
}
