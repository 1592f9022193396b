// The questions of a run -> a list of any length with filters and a search.
import type { QuestionRow, QuestionsReply } from '../../src/viewer/api.ts';
import { Cell, type Columns, HeadCells, WaitingCell } from '../parts/cells.tsx';
import { Found } from '../parts/found.tsx';
import { Span } from '../parts/marks.tsx';
import { rowHeightOf, VirtualList } from '../parts/virtual-list.tsx';
import { useApp, useKeys, useRound, useRun, useTitle } from '../state/app.ts';
import { useCurrentRow } from '../state/current-row.ts';
import { changed, hrefOf, type Query, type Route } from '../state/route.ts';
import { type Piece, type Rows, useRows, useSearch } from '../state/rows.ts';
import { count, fixed, NOTHING, plural } from '../text/format.ts';
import { Plain } from '../text/model-text.tsx';
import { type Asked, FILTERS, Filters, filterOf, Lists } from './filters.tsx';

const read = ({ total, questions, next }: QuestionsReply): Piece<QuestionRow> => ({ total, rows: questions, next });

/** Rows of the list that the address asks for: by place, or where the server reads the paths themselves, by a search. */
export function useQuestions(asked: Asked, query: Query): Rows<QuestionRow> {
  const filter = { ...asked, ...filterOf(query) };
  const isSearch = query['text'] !== undefined || query['list'] === 'false-step';
  const rows = useRows('api/questions', isSearch ? null : filter, read);
  const found = useSearch('api/questions', isSearch ? filter : null, read);
  return isSearch ? found : rows;
}

/** The page of one question; `at` is its place in the list. */
export function questionRoute(query: Query, asked: Asked, id: string, at: number): Route {
  return { page: 'question', query: changed(filterOf(query), { ...asked, id, at: String(at) }) };
}

export function QuestionsPage() {
  useTitle('Questions');
  const { router } = useApp();
  const { run, place } = useRun();
  const asked = { run: place, round: String(useRound()) };
  const { query } = router.route.value;
  const rows = useQuestions(asked, query);
  const [current, setCurrent] = useCurrentRow(rows.total);
  const open = (extra: Query = {}): void => {
    const row = rows.at(current);
    if (row === null) return;
    const to = questionRoute(query, asked, row.id, current);
    router.go({ ...to, query: { ...to.query, ...extra } });
  };
  useKeys({
    Enter: () => open(),
    n: () => open({ seek: 'error' }),
  });
  if (run === null) return null;
  return (
    <div class="filling">
      <h1 class="unseen-name">Questions</h1>
      <Lists asked={asked} query={query} all />
      <Filters rounds={run.rounds} />
      <Found rows={rows}>{(total) => foundWords(total, rows.searching, query)}</Found>
      <VirtualList
        label="Questions"
        head={<HeadCells columns={COLUMNS} />}
        rows={rows.total ?? 0}
        rowHeight={rowHeightOf(window)}
        current={current}
        onDrawn={rows.onDrawn}
        row={(index) => (
          <Row
            row={rows.at(index)}
            route={(id) => questionRoute(query, asked, id, index)}
            onFocus={() => setCurrent(index)}
          />
        )}
      />
    </div>
  );
}

function foundWords(total: number, isSearching: boolean, query: Query): string {
  const isNarrowed = FILTERS.some((name) => name !== 'sort' && query[name] !== undefined);
  return `${plural(total, 'question')}${isNarrowed ? ' with a path that fits' : ''}${isSearching ? ' so far; the search goes on' : ''}`;
}

const COLUMNS: Columns = [
  ['c-question', 'question'],
  ['c-answer', 'answer'],
  ['c-fits', 'fit'],
  ['c-right', 'right of paths'],
  ['c-scores', 'path scores, 0 to 1'],
  ['c-labelled', 'labelled'],
  ['c-pairs', 'pairs'],
  ['c-id', 'id'],
];

interface RowProps {
  readonly row: QuestionRow | null;
  readonly route: (id: string) => Route;
  readonly onFocus: () => void;
}

function Row({ row, route, onFocus }: RowProps) {
  if (row === null) {
    return <WaitingCell />;
  }
  const { fits, paths, right, scores, labelled, pairs } = row;
  return (
    <>
      <Cell of="c-question">
        <a href={hrefOf(route(row.id))} onFocus={onFocus}>
          <Plain text={row.question === '' ? '(empty)' : row.question} />
        </a>
      </Cell>
      <Cell of="c-answer">
        <Plain text={row.answer} />
      </Cell>
      <Cell of="c-fits">{count(fits)}</Cell>
      <Cell of="c-right">
        <RightOf right={right} paths={paths} />
      </Cell>
      <Cell of="c-scores" title={scores === null ? 'no path has a score' : undefined}>
        {scores !== null && <Span low={scores[0]} high={scores[1]} />}
        <span class="figure">{scores === null ? NOTHING : `${fixed(scores[0], 2)}–${fixed(scores[1], 2)}`}</span>
      </Cell>
      <Cell of="c-labelled">{labelled === 0 ? NOTHING : count(labelled)}</Cell>
      <Cell of="c-pairs">{pairs === 0 ? NOTHING : count(pairs)}</Cell>
      <Cell of="c-id dim">
        <Plain text={row.id} />
      </Cell>
    </>
  );
}

function RightOf({ right, paths }: { readonly right: number; readonly paths: number }) {
  const share = paths === 0 ? 0 : right / paths;
  return (
    <>
      <svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
        <rect class="rest" width="100" height="10" />
        <rect class="part" width={100 * share} height="10" />
      </svg>
      <span class="figure">
        {count(right)}/{count(paths)}
      </span>
    </>
  );
}
