// A report's data -> every page of its runs below each other, and some paths; it needs no server.
import type {
  CompareReply,
  QuestionReply,
  ReportData,
  RoundsReply,
  RunHead,
  ScoresReply,
  TrainingReply,
} from '../../src/viewer/api.ts';
import { ChipHead, Path } from '../paths/path.tsx';
import { useApp, useTitle } from '../state/app.ts';
import { ModelText } from '../text/model-text.tsx';
import { Sets } from './compare.tsx';
import { Rounds } from './rounds.tsx';
import { Scores } from './scores.tsx';
import { Trainings } from './training.tsx';

export function ReportPage({ report }: { readonly report: ReportData }) {
  const runs = useApp().live.runs.value ?? [];
  useTitle(runs.map(({ name }) => name).join(', '));
  return (
    <>
      {runs.map((run, place) => (
        <RunReport key={run.dir} run={run} place={place} report={report} />
      ))}
      {answersLike<CompareReply>(report, 'api/compare').map(({ query, data }) => (
        <article key={query.toString()}>
          <h1>
            {sideWords(runs, query.get('first'))} and {sideWords(runs, query.get('second'))}
          </h1>
          <Sets sets={data.sets} />
        </article>
      ))}
    </>
  );
}

interface RunReportProps {
  readonly run: RunHead;
  readonly place: number;
  readonly report: ReportData;
}

function RunReport({ run, place, report }: RunReportProps) {
  const isOwn = ({ query }: { readonly query: URLSearchParams }): boolean => query.get('run') === String(place);
  const trainings = answersLike<TrainingReply>(report, 'api/training').find(isOwn)?.data ?? { trainings: [] };
  const rounds = answersLike<RoundsReply>(report, 'api/rounds').find(isOwn)?.data;
  return (
    <article>
      <h1>{run.name}</h1>
      <p class="dim">
        {run.method} on {run.task}, {run.model}, seed {run.seed}
      </p>
      {rounds !== undefined && <Rounds data={rounds} trainings={trainings.trainings} place={String(place)} />}
      {answersLike<ScoresReply>(report, 'api/scores')
        .filter(isOwn)
        .map(({ query, data }) => (
          <div key={query.toString()}>
            <h2>Scores of round {query.get('round')}</h2>
            <Scores data={data} />
          </div>
        ))}
      <Trainings data={trainings} />
      <Samples place={place} report={report} />
    </article>
  );
}

function Samples({ place, report }: Omit<RunReportProps, 'run'>) {
  const own = report.samples.filter(({ run }) => run === place);
  if (own.length === 0) return null;
  const questions = answersLike<QuestionReply>(report, 'api/question');
  return (
    <div>
      <h2>Some paths, chosen by hash</h2>
      <ChipHead />
      {own.map(({ run, round, id, path }) => {
        const isIts = ({ query }: { readonly query: URLSearchParams }): boolean =>
          query.get('id') === id && query.get('run') === String(run) && query.get('round') === String(round);
        const question = questions.find(isIts)?.data;
        const view = question?.paths.find(({ sample }) => sample.id === path);
        if (question === undefined || view === undefined) return null;
        return (
          <article key={path} class="sample-path">
            <div class="question-body">
              <ModelText text={question.question.question} />
            </div>
            <Path
              path={view}
              where={{ run: String(run), round: String(round) }}
              isCode={question.question.tests !== undefined}
              pairs={[]}
              current={null}
              isOpen={false}
              onStep={null}
            />
          </article>
        );
      })}
    </div>
  );
}

interface OwnAnswer<T> {
  readonly query: URLSearchParams;
  readonly data: T;
}

/** The report's answers to one kind of request. */
function answersLike<T>({ answers }: ReportData, path: string): readonly OwnAnswer<T>[] {
  return Object.entries(answers).flatMap(([key, data]) => {
    const [own, query] = key.split('?');
    return own === path ? [{ query: new URLSearchParams(query), data: data as T }] : [];
  });
}

function sideWords(runs: readonly RunHead[], side: string | null): string {
  const [run = '', policy = ''] = (side ?? '').split(':');
  const name = /^\d+$/.test(policy) ? `round ${policy}` : policy;
  return runs.length > 1 ? `${runs[Number(run)]?.name ?? run}, ${name}` : name;
}
