// The pairs of a round -> a list of any length.
import type { PairsReply } from '../../src/viewer/api.ts';
import { Cell, type Columns, HeadCells, WaitingCell } from '../parts/cells.tsx';
import { Found } from '../parts/found.tsx';
import { Mark } from '../parts/marks.tsx';
import { rowHeightOf, VirtualList } from '../parts/virtual-list.tsx';
import { useApp, useKeys, useReply, useRound, useRun, useTitle } from '../state/app.ts';
import { useCurrentRow } from '../state/current-row.ts';
import { hrefOf, type Route } from '../state/route.ts';
import { type Rows, useRows } from '../state/rows.ts';
import { count, fixed, plural } from '../text/format.ts';
import { Plain } from '../text/model-text.tsx';

type PairRow = PairsReply['pairs'][number];

const read = ({ total, pairs }: PairsReply) => ({ total, rows: pairs });

/** What the list of pairs asks: a round's pairs, or its paths that train alone. */
export interface AskedPairs {
  readonly run: string;
  readonly round: string;
  readonly alone: string;
}

/** As the address has it: pairs, unless it names the others. */
export function useAskedPairs(): AskedPairs {
  const { router } = useApp();
  const alone = router.route.value.query['alone'] === 'true' ? 'true' : 'false';
  return { run: useRun().place, round: String(useRound()), alone };
}

export function usePairs(asked: AskedPairs): Rows<PairRow> {
  return useRows('api/pairs', { ...asked }, read);
}

/** The page of one row; `at` is its place in the list. */
export function pairRoute(asked: AskedPairs, { index }: PairRow, at: number): Route {
  return { page: 'pair', query: { ...asked, index: String(index), at: String(at) } };
}

export function PairsPage() {
  useTitle('Pairs');
  const { router } = useApp();
  const asked = useAskedPairs();
  const rows = usePairs(asked);
  const [current, setCurrent] = useCurrentRow(rows.total);
  useKeys({
    Enter: () => {
      const row = rows.at(current);
      if (row !== null) router.go(pairRoute(asked, row, current));
    },
  });
  return (
    <div class="filling">
      <h1 class="unseen-name">Pairs</h1>
      <Kinds asked={asked} />
      <Found rows={rows}>
        {(total) =>
          asked.alone === 'true'
            ? `${plural(total, 'right path')} that round ${asked.round} trains on without a rejected one`
            : `${plural(total, 'pair')} that round ${asked.round} trains on`
        }
      </Found>
      <VirtualList
        label="Pairs"
        head={<HeadCells columns={COLUMNS} />}
        rows={rows.total ?? 0}
        rowHeight={rowHeightOf(window)}
        current={current}
        onDrawn={rows.onDrawn}
        row={(index) => <Row row={rows.at(index)} at={index} asked={asked} onFocus={() => setCurrent(index)} />}
      />
    </div>
  );
}

const KINDS = [
  ['false', 'Pairs', 'A chosen and a rejected path'],
  ['true', 'Paths alone', 'Right paths without a partner: each trains by its likelihood alone'],
] as const;

function Kinds({ asked }: { readonly asked: AskedPairs }) {
  return (
    <nav aria-label="Pairs or paths alone" class="lists">
      {KINDS.map(([alone, words, title]) => (
        <a
          key={alone}
          href={hrefOf({ page: 'pairs', query: { ...asked, alone } })}
          title={title}
          aria-current={asked.alone === alone ? 'page' : undefined}
        >
          {words} <Count asked={{ ...asked, alone }} />
        </a>
      ))}
    </nav>
  );
}

function Count({ asked }: { readonly asked: AskedPairs }) {
  const { data } = useReply<PairsReply>('api/pairs', { ...asked, offset: '0', limit: '0' });
  return data === null ? null : <span class="count">{count(data.total)}</span>;
}

const COLUMNS: Columns = [
  ['c-number', 'no.'],
  ['c-question', 'question'],
  ['c-margin', 'margin'],
  ['c-side', 'chosen'],
  ['c-side', 'rejected'],
  ['c-shared', 'shared steps'],
];

interface RowProps {
  readonly row: PairRow | null;
  readonly at: number;
  readonly asked: AskedPairs;
  readonly onFocus: () => void;
}

function Row({ row, at, asked, onFocus }: RowProps) {
  if (row === null) return <WaitingCell />;
  const { index, question, margin, shared, rightChosen, rightRejected } = row;
  return (
    <>
      <Cell of="c-number dim">{count(index + 1)}</Cell>
      <Cell of="c-question">
        <a href={hrefOf(pairRoute(asked, row, at))} onFocus={onFocus}>
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
