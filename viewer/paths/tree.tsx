// The tree of paths -> a grid: a column a step, a row a path, shared steps in one cell.
import { useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import type { PathView } from '../../src/viewer/api.ts';
import { doubt, OutcomeMark } from '../parts/marks.tsx';
import { fixed, plural } from '../text/format.ts';
import { startOf } from '../text/marks.ts';
import { Plain } from '../text/model-text.tsx';
import type { Cell, PathTree } from './path-tree.ts';
import { answerText, factsOf, factWords, isDisputed, type StepFacts, tallyWords } from './step-facts.ts';

interface TreeProps {
  readonly tree: PathTree;
  /** Row and step that keys act on. */
  readonly current: { readonly row: number; readonly step: number };
  readonly onStep: (row: number, step: number) => void;
}

/** Characters of a step in its cell; the style cuts them to the cell. */
const SEEN = 80;

export function Tree({ tree, current, onStep }: TreeProps) {
  const facts = useMemo(() => new Map(tree.paths.map((path) => [path.sample.id, factsOf(path)])), [tree]);
  const box = useRef<HTMLElement>(null);
  useLayoutEffect(() => seeCurrent(box.current), [current.row, current.step]);
  return (
    <section class="tree-box" aria-label="Prefix tree" ref={box}>
      <div
        class="tree"
        style={{ gridTemplateColumns: `repeat(${tree.depth}, minmax(var(--cell), 1fr)) minmax(70px, max-content)` }}
      >
        {Array.from({ length: tree.depth }, (_, i) => (
          <span key={i} class="tree-head" style={{ gridColumn: `${i + 1}`, gridRow: '1' }}>
            step {i + 1}
          </span>
        ))}
        <span class="tree-head last" style={{ gridColumn: `${tree.depth + 1}`, gridRow: '1' }}>
          answer
        </span>
        {tree.cells.map((cell) => (
          <TreeCell
            key={`${cell.path.sample.id} ${cell.step}`}
            cell={cell}
            facts={facts.get(cell.path.sample.id)?.[cell.step] ?? null}
            isDisputed={cell.paths.some(({ sample }) => isDisputed(facts.get(sample.id)?.[cell.step]))}
            isCurrent={cell.step === current.step && cell.row <= current.row && current.row < cell.row + cell.span}
            onStep={onStep}
          />
        ))}
        {tree.paths.map((path, row) => (
          <Ending key={path.sample.id} path={path} row={row} depth={tree.depth} />
        ))}
      </div>
      <p class="dim tree-legend" aria-hidden="true">
        <span class="fork-mark decisive" /> paths part here, into right and wrong ones <span class="fork-mark" /> paths
        part here <span class="dispute">≠</span> disputed; the stronger the shade, the lower the score
      </p>
    </section>
  );
}

/** Scrolls the tree alone: the page stays where it is. */
function seeCurrent(box: HTMLElement | null): void {
  const cell = box?.querySelector<HTMLElement>('.cell.current');
  if (box === null || cell === null || cell === undefined) return;
  const spare = box.querySelector<HTMLElement>('.ending')?.offsetWidth ?? 0;
  const end = cell.offsetLeft + cell.offsetWidth + spare - box.clientWidth;
  box.scrollLeft = Math.min(cell.offsetLeft, Math.max(box.scrollLeft, end));
}

interface TreeCellProps {
  readonly cell: Cell;
  readonly facts: StepFacts | null;
  /** On one of the paths that share it: each has labels of its own. */
  readonly isDisputed: boolean;
  readonly isCurrent: boolean;
  readonly onStep: (row: number, step: number) => void;
}

function TreeCell({ cell, facts, isDisputed: disputed, isCurrent, onStep }: TreeCellProps) {
  if (facts === null) return null;
  const { step, row, span, text, isFork, isDecisive } = cell;
  const names = ['cell', isCurrent && 'current', isFork && 'fork', isDecisive && 'decisive'];
  const shares = span === 1 ? '' : `; shared by ${plural(span, 'path')}`;
  const parts = isFork ? `; paths part after it${isDecisive ? ', into right and wrong ones' : ''}` : '';
  const tally = tallyWords(facts);
  return (
    <button
      type="button"
      tabIndex={-1}
      class={names.filter((name) => name !== false).join(' ')}
      style={{
        gridColumn: `${step + 1}`,
        gridRow: `${row + 2} / span ${span}`,
        '--doubt': facts.score === null ? '0' : doubt(facts.score),
      }}
      onClick={() => onStep(row, step)}
    >
      <span class="unseen-name">{`${factWords(facts, step + 1)}${shares}${parts}`}</span>
      <span class="cell-facts" aria-hidden="true">
        <b>{fixed(facts.score, 2)}</b>
        {tally !== null && <span>{tally.text}</span>}
        {facts.truth !== null && <span class={facts.truth ? 'right' : 'wrong'}>{facts.truth ? '✓' : '✗'}</span>}
        {disputed && <span class="dispute">≠</span>}
      </span>
      <span class="cell-text">
        <Plain text={startOf(text, SEEN)} />
      </span>
    </button>
  );
}

/** A program's ending says why it is wrong. */
function endingText(sample: PathView['sample']): string {
  const answer = answerText(sample);
  return answer === '' && sample.outcome.kind !== 'right' ? sample.outcome.reason : answer;
}

interface EndingProps {
  readonly path: PathView;
  readonly row: number;
  readonly depth: number;
}

function Ending({ path, row, depth }: EndingProps) {
  const { sample, pathScore } = path;
  return (
    <span class={`ending ${sample.outcome.kind}`} style={{ gridColumn: `${depth + 1}`, gridRow: `${row + 2}` }}>
      <OutcomeMark outcome={sample.outcome} />
      <span class="ending-answer">
        <Plain text={startOf(endingText(sample), SEEN)} />
      </span>
      <span class="figure dim">{pathScore === null ? '' : fixed(pathScore, 2)}</span>
    </span>
  );
}
