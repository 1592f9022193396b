// One question -> its text, the tree of its paths, and their steps, walked by keys.
import { useEffect, useMemo } from 'preact/hooks';
import type { PathView, QuestionReply, QuestionRow } from '../../src/viewer/api.ts';
import { Crumbs } from '../parts/crumbs.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { Note } from '../parts/marks.tsx';
import { ChipHead, Path } from '../paths/path.tsx';
import { type PathTree, treeOf } from '../paths/path-tree.ts';
import { errorsOf } from '../paths/step-facts.ts';
import { Tree } from '../paths/tree.tsx';
import { type App, useApp, useKeys, useReply, useRound, useRun, useTitle } from '../state/app.ts';
import { type Neighbours, useNeighbours, whyNoNeighbour } from '../state/neighbours.ts';
import { changed, type Query, type Route, wholeIn } from '../state/route.ts';
import { plural } from '../text/format.ts';
import { type Asked, filterOf } from './filters.tsx';
import { QuestionText } from './question-text.tsx';
import { questionRoute, useQuestions } from './questions.tsx';

export function QuestionPage() {
  const { router } = useApp();
  const { place } = useRun();
  const asked = { run: place, round: String(useRound()) };
  const { query } = router.route.value;
  const id = query['id'] ?? '';
  useTitle(id);
  const reply = useReply<QuestionReply>('api/question', { ...asked, id });
  const list = useNeighbours(useQuestions(asked, query));
  const neighbour = (row: QuestionRow | null, change: 1 | -1) =>
    row === null ? null : questionRoute(query, asked, row.id, (list.at ?? 0) + change);
  return (
    <>
      <Crumbs
        up={listOf(query, asked)}
        words="Questions"
        at={list.at}
        total={list.total}
        before={neighbour(list.before, -1)}
        after={neighbour(list.after, 1)}
      />
      <Loaded reply={reply}>{(data) => <Found data={data} asked={asked} list={list} />}</Loaded>
    </>
  );
}

interface FoundProps {
  readonly data: QuestionReply;
  readonly asked: Asked;
  readonly list: Neighbours<QuestionRow>;
}

function Found({ data, asked, list }: FoundProps) {
  const app = useApp();
  const paths = data.paths.map((path) => app.labels.over(asked.run, path));
  const tree = useMemo(() => treeOf(paths), [data, ...paths]);
  const place = usePlace(tree);
  useStepKeys({ tree, place, asked, list });
  useSeeking({ tree, place, asked, list });
  const isCode = data.question.tests !== undefined;
  return (
    <>
      <QuestionText question={data.question} />
      {tree.paths.length === 0 ? (
        <Note>No paths of this question up to round {asked.round}.</Note>
      ) : (
        <>
          <h2>{summary(tree)}</h2>
          <Tree tree={tree} current={place} onStep={(row, step) => place.move(row, step)} />
          <ChipHead />
          {tree.paths.map((path, row) => (
            <Path
              key={path.sample.id}
              path={path}
              where={asked}
              isCode={isCode}
              pairs={data.pairs}
              current={row === place.row ? place.step : null}
              isOpen={place.isOpen}
              onStep={(step) => place.open(row, step)}
            />
          ))}
        </>
      )}
    </>
  );
}

function summary({ paths }: PathTree): string {
  const rights = paths.filter(({ sample }) => sample.outcome.kind === 'right').length;
  return `${plural(paths.length, 'path')}, ${rights} right`;
}

interface PlaceInTree {
  readonly row: number;
  readonly step: number;
  readonly isOpen: boolean;
  move(row: number, step: number): void;
  /** Opens the step; closes it where it is open. */
  open(row: number, step: number): void;
  close(): void;
}

/** The current step, as the address has it. -1: none. */
function usePlace(tree: PathTree): PlaceInTree {
  const { router } = useApp();
  const { query } = router.route.value;
  const row = tree.paths.findIndex((path) => path.sample.id === query['path']);
  const most = (tree.paths[row]?.sample.steps.length ?? 0) - 1;
  const step = Math.min(most, wholeIn(query, 'step') ?? 0);
  const isOpen = query['open'] === '1';
  const put = (changes: Readonly<Record<string, string | null>>): void =>
    router.replace({ page: 'question', query: changed(router.route.peek().query, { seek: null, ...changes }) });
  const at = (to: number, of: number) => ({ path: tree.paths[to]?.sample.id ?? null, step: String(of) });
  return {
    row,
    step,
    isOpen,
    move: (to, of) => put(at(to, of)),
    open: (to, of) => put({ ...at(to, of), open: isOpen && to === row && of === step ? null : '1' }),
    close: () => put({ open: null }),
  };
}

interface Moving {
  readonly tree: PathTree;
  readonly place: PlaceInTree;
  readonly asked: Asked;
  readonly list: Neighbours<QuestionRow>;
}

function useStepKeys(moving: Moving): void {
  const app = useApp();
  const { tree, place, asked } = moving;
  const steps = tree.paths.flatMap((path, row) => path.sample.steps.map((_, step) => ({ row, step })));
  const by = (change: number): void => {
    const now = steps.findIndex(({ row, step }) => row === place.row && step === place.step);
    const to = steps[Math.max(0, Math.min(steps.length - 1, now + change))];
    if (to !== undefined) place.move(to.row, to.step);
  };
  const byPath = (change: number): void => {
    const row = Math.max(0, Math.min(tree.paths.length - 1, place.row + change));
    if (tree.paths[row] !== undefined) place.move(row, 0);
  };
  const say = (label: 'good' | 'bad' | 'unsure' | null) => () => void labelHere(app, moving, label);
  useKeys({
    j: () => by(1),
    k: () => by(-1),
    Enter: () => place.row !== -1 && place.open(place.row, place.step),
    J: () => byPath(1),
    K: () => byPath(-1),
    n: () => toError(app, moving, 1),
    p: () => toError(app, moving, -1),
    ']': () => toQuestion(app, moving, 1, {}),
    '[': () => toQuestion(app, moving, -1, {}),
    g: say('good'),
    b: say('bad'),
    u: say('unsure'),
    x: say(null),
    Escape: () => (place.isOpen ? place.close() : app.router.go(listOf(app.router.route.peek().query, asked))),
  });
}

function listOf(query: Query, asked: Asked): Route {
  return { page: 'questions', query: changed(filterOf(query), { ...asked, at: query['at'] ?? null }) };
}

async function labelHere(
  app: App,
  { tree, place, asked }: Moving,
  label: 'good' | 'bad' | 'unsure' | null,
): Promise<void> {
  const path = tree.paths[place.row];
  if (app.labels.set === null) return;
  if (path === undefined) app.said.value = 'No step is chosen. Press j first.';
  else app.said.value = await app.labels.set(asked.run, path.sample.id, place.step, label);
}

/** Steps to look at, in the order of the page. */
function errorsIn(paths: readonly PathView[]) {
  return paths.flatMap((path, row) => errorsOf(path).map((step) => ({ row, step })));
}

function toError(app: App, moving: Moving, change: 1 | -1): void {
  const { tree, place } = moving;
  const isBeyond = (row: number, step: number): boolean => (row - place.row || step - place.step) * change > 0;
  const errors = errorsIn(tree.paths);
  const to =
    change === 1 ? errors.find((e) => isBeyond(e.row, e.step)) : errors.findLast((e) => isBeyond(e.row, e.step));
  if (to === undefined) {
    toQuestion(app, moving, change, change === 1 ? { seek: 'error' } : {});
    return;
  }
  place.move(to.row, to.step);
}

function toQuestion(app: App, { asked, list }: Moving, change: 1 | -1, extra: Query): void {
  const row = change === 1 ? list.after : list.before;
  if (row === null || list.at === null) {
    app.said.value = whyNoNeighbour(list, change, 'question');
    return;
  }
  const to = questionRoute(app.router.route.peek().query, asked, row.id, list.at + change);
  app.router.replace({ ...to, query: { ...to.query, ...extra } });
}

/** An address with `seek=error` goes on to the next question until one has a step to look at. */
function useSeeking(moving: Moving): void {
  const app = useApp();
  const { tree, list } = moving;
  const isSeeking = app.router.route.value.query['seek'] === 'error';
  const isKnown = list.after !== null || (list.total !== null && list.at === list.total - 1);
  useEffect(() => {
    if (!isSeeking) return;
    const [first] = errorsIn(tree.paths);
    if (first !== undefined) moving.place.move(first.row, first.step);
    else if (isKnown) toQuestion(app, moving, 1, { seek: 'error' });
  }, [isSeeking, tree, isKnown]);
}
