// Scripted runs -> what their report holds, and the one file that a browser reads it from.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openViewerRun, viewerRun } from '../../../test/viewer-run.ts';
import { SipfError } from '../../errors.ts';
import { answersFrom } from '../answers.ts';
import type { CompareReply, QuestionReply, ReportData, RoundsReply, RunsReply } from '../api.ts';
import type { OpenRun } from '../open-run.ts';
import { reportData } from './report-data.ts';
import { reportHtml } from './report-html.ts';

let folder = '';
let runs: OpenRun[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-report-'));
  for (const [name, seed] of [
    ['one', 1],
    ['other', 2],
  ] as const) {
    await viewerRun(join(folder, name), { seed });
    runs.push(await openViewerRun(join(folder, name), { cache: join(folder, 'cache') }));
  }
});
afterAll(async () => {
  for (const run of runs) await run[Symbol.asyncDispose]();
  runs = [];
  await rm(folder, { recursive: true, force: true });
});

const answer = <T>(data: ReportData, address: string): T => {
  expect(Object.keys(data.answers)).toContain(address);
  return data.answers[address] as T;
};

it('of one run has its rounds, trainings, scores and some paths, and nothing of this machine', async () => {
  const data = await reportData(runs.slice(0, 1));
  const answers = answersFrom(runs);
  expect(
    Object.keys(data.answers)
      .filter((address) => !address.startsWith('api/question?'))
      .sort(),
  ).toEqual([
    'api/rounds?run=0',
    'api/runs',
    'api/scores?round=1&run=0',
    'api/scores?round=2&run=0',
    'api/training?run=0',
  ]);
  expect(answer<RoundsReply>(data, 'api/rounds?run=0')).toEqual(await answers.rounds({ run: 0 }));
  expect(answer<RunsReply>(data, 'api/runs').runs).toMatchObject([{ name: 'one', finished: true, now: null }]);
  expect(JSON.stringify(data)).not.toContain(folder);
});

it('shows right and wrong paths and such that scores and labels dispute, the same each time', async () => {
  const data = await reportData(runs.slice(0, 1));
  expect(data).toEqual(await reportData(runs.slice(0, 1)));
  expect(new Set(data.samples.map(({ id }) => id)).size).toBe(data.samples.length);
  const kinds = data.samples.map(({ run, round, id, path }) => {
    const query = new URLSearchParams({ id, round: String(round), run: String(run) });
    const { paths } = answer<QuestionReply>(data, `api/question?${query}`);
    expect(paths.map(({ sample }) => sample.id)).toEqual([path]);
    const { scores, hardLabels, sample } = paths[0]!;
    expect(sample.source).toBe('policy');
    const isDisputed = hardLabels?.some((label, j) => (scores?.scores?.[j] ?? 0) >= 0.5 !== label);
    return [sample.outcome.kind, isDisputed];
  });
  expect(kinds.slice(0, 3).map(([kind]) => kind)).toEqual(['right', 'right', 'right']);
  expect(kinds.slice(3, 6).map(([kind]) => kind)).toEqual(['wrong', 'wrong', 'wrong']);
  expect(kinds.length).toBeGreaterThan(6);
  expect(kinds.slice(6).map(([, isDisputed]) => isDisputed)).not.toContain(false);
});

it('is given up on request', async () => {
  const stop = new AbortController();
  const data = reportData(runs, stop.signal);
  stop.abort(new SipfError('aborted', 'Stopped on request.'));
  await expect(data).rejects.toMatchObject({ code: 'aborted' });
});

it('of two runs has their comparison, too', async () => {
  const data = await reportData(runs);
  const compared = Object.keys(data.answers).filter((address) => address.startsWith('api/compare?'));
  expect(compared).toEqual(
    [
      ['0:last', '1:last'],
      ['0:start', '1:start'],
      ['0:last', '0:start'],
      ['1:last', '1:start'],
    ].map(
      ([first, second]) =>
        `api/compare?${new URLSearchParams({ first: first!, limit: '0', offset: '0', second: second! })}`,
    ),
  );
  const [between] = answer<CompareReply>(data, compared[0]!).sets;
  expect(between?.accuracy?.n).toBe(12);
  expect(data.samples.map(({ run }) => run)).toContain(1);
});

const page =
  '<html><head><meta charset="utf-8" /><style>a{}</style></head><body><script>go("</head>")</script></body></html>';

it.each(['</script><script>alert(1)</script>', '<!--<script>', "$& $' $1", '\u2028 \ud800 é 🙂', ']]>'])(
  'holds the text %j as it is, and as no HTML',
  (text) => {
    const data: ReportData = { answers: { text }, samples: [] };
    const html = reportHtml(page, data);
    const [, json = '', rest = ''] =
      /<script type="application\/json" id="sipf-report">(.*?)<\/script>(.*)$/s.exec(html) ?? [];
    expect(JSON.parse(json)).toEqual(data);
    expect(json).not.toContain('<');
    expect(rest).toContain('</head><body><script>go("</head>")</script></body></html>');
    expect(html.match(/<script/g)).toHaveLength(2);
  },
);

it('lets nothing run but the page, and asks nobody', () => {
  const html = reportHtml(page, { answers: {}, samples: [] });
  const [, policy = ''] = /<head>\s*<meta http-equiv="Content-Security-Policy" content="([^"]*)"/.exec(html) ?? [];
  expect(policy).toMatch(/^default-src 'none'; script-src 'sha256-[\w+/=]{44}'; style-src 'sha256-[\w+/=]{44}'/);
  expect(policy).not.toContain('connect-src');
});
