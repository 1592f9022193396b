// The state of the page -> its frame: runs, pages, rounds, what happens now; and the page.
import { useEffect } from 'preact/hooks';
import type { RunHead } from '../src/viewer/api.ts';
import { ComparePage } from './pages/compare.tsx';
import { Choice } from './pages/filters.tsx';
import { PairPage } from './pages/pair.tsx';
import { PairsPage } from './pages/pairs.tsx';
import { QuestionPage } from './pages/question.tsx';
import { QuestionsPage } from './pages/questions.tsx';
import { ReportPage } from './pages/report.tsx';
import { RoundsPage } from './pages/rounds.tsx';
import { ScoresPage } from './pages/scores.tsx';
import { TrainingPage } from './pages/training.tsx';
import { Help } from './parts/help.tsx';
import { Note } from './parts/marks.tsx';
import { useApp, useKeys, useRound, useRun } from './state/app.ts';
import { changed, hrefOf, keepScroll, type PageName, scrollOf } from './state/route.ts';
import { count } from './text/format.ts';

const PAGES: Readonly<Record<PageName, () => preact.ComponentChildren>> = {
  rounds: RoundsPage,
  questions: QuestionsPage,
  question: QuestionPage,
  pairs: PairsPage,
  pair: PairPage,
  scores: ScoresPage,
  training: TrainingPage,
  compare: ComparePage,
};

export function Shell() {
  const { server, said } = useApp();
  const { report } = server;
  return (
    <>
      <button type="button" class="skip" onClick={focusMain}>
        Skip to the content
      </button>
      {report === null && <Top />}
      <main id="main" tabIndex={-1}>
        {report === null ? <Inside /> : <ReportPage report={report} />}
      </main>
      <div class="unseen-name" role="status" aria-live="polite">
        {said.value}
      </div>
      <Toast />
      <Help />
    </>
  );
}

function focusMain(): void {
  document.getElementById('main')?.focus();
}

/** What was announced, for eyes. */
function Toast() {
  const { said } = useApp();
  useEffect(() => {
    if (said.value === '') return;
    const timer = setTimeout(() => {
      said.value = '';
    }, 4000);
    return () => clearTimeout(timer);
  }, [said.value]);
  return said.value === '' ? null : (
    <div class="toast" aria-hidden="true">
      {said.value}
    </div>
  );
}

function Inside() {
  const { router, live } = useApp();
  const { page } = router.route.value;
  const { run } = useRun();
  useWindowScroll(page);
  const Page = PAGES[page];
  if (live.runs.value === null && live.error.value === null) return <Note kind="waiting">Reading the run …</Note>;
  return (
    <>
      {live.error.value !== null && (
        <div role="alert">
          <Note kind="fault">{live.error.value}</Note>
        </div>
      )}
      {run !== null && <Faults run={run} />}
      {run !== null && <Page />}
      {run === null && live.runs.value !== null && (
        <Note kind="fault">
          The address names a run that is not here. <a href={hrefOf({ page, query: {} })}>Show the first one.</a>
        </Note>
      )}
    </>
  );
}

function Faults({ run: { faults } }: { readonly run: RunHead }) {
  if (faults.length === 0) return null;
  return (
    <section role="alert" class="note fault" aria-label="Faults of the run's files">
      <p>Some files of this run cannot be read. The rest is shown.</p>
      <ul>
        {faults.map((fault) => (
          <li key={fault}>{fault}</li>
        ))}
      </ul>
    </section>
  );
}

const LINKS: readonly (readonly [page: PageName, words: string, inside: readonly PageName[]])[] = [
  ['rounds', 'Rounds', []],
  ['questions', 'Questions', ['question']],
  ['pairs', 'Pairs', ['pair']],
  ['scores', 'Scores', []],
  ['training', 'Training', []],
  ['compare', 'Compare', []],
];

function Top() {
  const { router, theme, helpIsOpen, live } = useApp();
  const { page, query } = router.route.value;
  const kept = changed({}, { run: query['run'], round: query['round'] });
  const { scheme } = theme;
  return (
    <header class="top">
      <a class="name" href={hrefOf({ page: 'rounds', query: kept })}>
        sipf
      </a>
      <RunChoice runs={live.runs.value ?? []} />
      <nav aria-label="Pages">
        {LINKS.map(([to, words, inside]) => (
          <a
            key={to}
            href={hrefOf({ page: to, query: kept })}
            aria-current={to === page || inside.includes(page) ? 'page' : undefined}
          >
            {words}
          </a>
        ))}
      </nav>
      <RoundChoice />
      <Now />
      <button
        type="button"
        class="quiet"
        onClick={() => theme.next()}
        aria-label={`Colours: ${scheme.value}`}
        title={`Colours: ${scheme.value}`}
      >
        {{ auto: '◐', light: '○', dark: '●' }[scheme.value]}
      </button>
      <button
        type="button"
        class="quiet"
        aria-label="Keys and words"
        onClick={() => {
          helpIsOpen.value = true;
        }}
      >
        ?
      </button>
    </header>
  );
}

function RunChoice({ runs }: { readonly runs: readonly RunHead[] }) {
  const { router } = useApp();
  const { page, query } = router.route.value;
  const { run, place } = useRun();
  if (runs.length < 2) return <span class="run-name">{run?.name}</span>;
  const options = runs.map(({ name }, i) => [String(i), name] as const);
  const list: PageName = page === 'question' ? 'questions' : page === 'pair' ? 'pairs' : page;
  return (
    <Choice
      label="Run"
      value={place}
      options={options}
      onChoice={(to) =>
        router.go({ page: list, query: changed(query, { run: to, round: null, id: null, at: null, index: null }) })
      }
    />
  );
}

const WITH_ROUND: readonly PageName[] = ['questions', 'question', 'pairs', 'pair', 'scores'];

function RoundChoice() {
  const { router } = useApp();
  const { page, query } = router.route.value;
  const { run } = useRun();
  const round = useRound();
  if (run === null || !WITH_ROUND.includes(page)) return null;
  const options = Array.from(
    { length: Math.max(1, run.rounds) },
    (_, i) => [String(i), i === 0 ? '0 (start)' : String(i)] as const,
  );
  return (
    <Choice
      label="Round"
      value={String(round)}
      options={options.length > 1 ? options.slice(1) : options}
      onChoice={(to) =>
        router.go({
          page: page === 'pair' ? 'pairs' : page,
          query: changed(query, { round: to, index: null, at: page === 'pair' ? null : query['at'] }),
        })
      }
    />
  );
}

/** Numbered stages are a round's, the others come after the last one. */
function stageWords(stage: string | null, iteration: number): string {
  if (stage === null) return 'between two stages';
  return /^\d-/.test(stage) ? `round ${iteration} ${stage}` : `final ${stage}`;
}

/** What the run does at this moment. */
function Now() {
  const { run } = useRun();
  if (run === null) return null;
  const { now, finished, indexed } = run;
  if (indexed.bytes < indexed.of)
    return <span class="now">reading {Math.floor((100 * indexed.bytes) / Math.max(1, indexed.of))} %</span>;
  if (now === null) return finished ? null : <span class="now dim">not finished, nothing runs</span>;
  const { stage, iteration, done, total } = now;
  return (
    <span class="now" title="This run goes on">
      <span class="pulse" aria-hidden="true" /> {stageWords(stage, iteration)}
      {done !== null && total !== null && ` ${count(done)}/${count(total)}`}
    </span>
  );
}

/** Back in the history is back at the place, once the page is as high again. */
function useWindowScroll(page: PageName): void {
  const { router } = useApp();
  const { query } = router.route.value;
  const key = `${page} ${query['run']} ${query['round']} ${query['id']} ${query['index']}`;
  useEffect(() => {
    const wanted = scrollOf(window);
    const tries = [0, 50, 200, 600].map((ms) =>
      setTimeout(() => page !== 'questions' && page !== 'pairs' && window.scrollTo(0, wanted), ms),
    );
    const stop = (): void => tries.forEach(clearTimeout);
    window.addEventListener('wheel', stop, { once: true, passive: true });
    window.addEventListener('keydown', stop, { once: true });
    return () => {
      stop();
      window.removeEventListener('wheel', stop);
      window.removeEventListener('keydown', stop);
    };
  }, [key]);
  useEffect(() => {
    let rest: ReturnType<typeof setTimeout> | undefined;
    const onScroll = (): void => {
      clearTimeout(rest);
      rest = setTimeout(() => page !== 'questions' && page !== 'pairs' && keepScroll(window, window.scrollY), 120);
    };
    window.addEventListener('scroll', onScroll, { passive: true });
    return () => {
      clearTimeout(rest);
      window.removeEventListener('scroll', onScroll);
    };
  }, [page]);
}

export function useFrameKeys(): void {
  const { helpIsOpen, router } = useApp();
  useKeys(
    {
      '?': () => {
        helpIsOpen.value = true;
      },
      '/': () => {
        const { query } = router.route.peek();
        router.go({ page: 'questions', query: changed({}, { run: query['run'], round: query['round'] }) });
        setTimeout(() => document.querySelector<HTMLInputElement>('input[type=search]')?.focus(), 50);
      },
    },
    false,
  );
}
