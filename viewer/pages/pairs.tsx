// The pairs of a round -> a list of any length.
import { useState } from 'preact/hooks';
import type { PairsReply } from '../../src/viewer/api.ts';
import { Cell, type Columns, HeadCells, WaitingCell } from '../parts/cells.tsx';
import { Mark, Note } from '../parts/marks.tsx';
import { rowHeightOf, VirtualList } from '../parts/virtual-list.tsx';
import { useApp, useKeys, useRound, useRun, useTitle } from '../state/app.ts';
import { changed, hrefOf, type Query } from '../state/route.ts';
import { useRows } from '../state/rows.ts';
import { count, fixed, plural } from '../text/format.ts';
import { Plain } from '../text/model-text.tsx';

type PairRow = PairsReply['pairs'][number];

const read = ({ total, pairs }: PairsReply) => ({ total, rows: pairs });

export function PairsPage() {
  useTitle('Pairs');
  const { router } = useApp();
  const { place } = useRun();
  const round = useRound();
  const asked = { run: place, round: String(round) };
  const rows = useRows('api/pairs', asked, read);
  const [current, setCurrent] = useState(Number(router.route.value.query['at'] ?? 0));
  const move = (to: number): void => {
    const at = Math.max(0, Math.min((rows.total ?? 1) - 1, to));
    setCurrent(at);
    router.replace({ page: 'pairs', query: changed(router.route.peek().query, { at: at === 0 ? null : String(at) }) });
  };
  const route = (index: number) => ({ page: 'pair', query: { ...asked, index: String(index) } }) as const;
  useKeys({
    j: () => move(current + 1),
    ArrowDown: () => move(current + 1),
    k: () => move(current - 1),
    ArrowUp: () => move(current - 1),
    Enter: () => router.go(route(rows.at(current)?.index ?? current)),
  });
  return (
    <div class="filling">
      <h1 class="unseen-name">Pairs</h1>
      {rows.error !== null && (
        <div role="alert">
          <Note kind="fault">{rows.error}</Note>
        </div>
      )}
      <p class="found" role="status">
        {rows.total === null ? 'Reading …' : `${plural(rows.total, 'row')} that round ${round} trains on`}
      </p>
      <VirtualList
        label="Pairs"
        head={<HeadCells columns={COLUMNS} />}
        rows={rows.total ?? 0}
        rowHeight={rowHeightOf(window)}
        current={current}
        onDrawn={rows.onDrawn}
        row={(index) => <Row row={rows.at(index)} asked={asked} onFocus={() => move(index)} />}
      />
    </div>
  );
}

const COLUMNS: Columns = [
  ['c-number', 'no.'],
  ['c-question', 'question'],
  ['c-margin', 'margin'],
  ['c-side', 'chosen'],
  ['c-side', 'rejected'],
  ['c-shared', 'shared steps'],
];

function Row({
  row,
  asked,
  onFocus,
}: {
  readonly row: PairRow | null;
  readonly asked: Query;
  readonly onFocus: () => void;
}) {
  if (row === null) {
    return <WaitingCell />;
  }
  const { index, question, margin, shared, rightChosen, rightRejected } = row;
  return (
    <>
      <Cell of="c-number dim">{count(index + 1)}</Cell>
      <Cell of="c-question">
        <a href={hrefOf({ page: 'pair', query: { ...asked, index: String(index) } })} onFocus={onFocus}>
          <Plain text={question} />
        </a>
      </Cell>
      <Cell of="c-margin figure">{margin === null ? <span class="dim">alone</span> : fixed(margin, 3)}</Cell>
      <Cell of="c-side">
        <Mark is={rightChosen} yes="chosen is right" no="chosen is wrong" />
      </Cell>
      <Cell of="c-side">
        <Mark is={rightRejected} yes="rejected is right" no="rejected is wrong" />
      </Cell>
      <Cell of="c-shared dim">{shared}</Cell>
    </>
  );
}
