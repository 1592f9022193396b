// The final evaluation -> its policies with their paired tests, and chosen answers.
import type { BestOfReport, FinalReport, SetReport } from '../../src/reports.ts';
import { EstimateShare, Share } from '../parts/marks.tsx';
import { Wide } from '../parts/wide.tsx';
import { NOTHING, paired, percentRange, points, short } from '../text/format.ts';
import { nameOf } from './curves.ts';

export function Final({ final }: { readonly final: FinalReport | null }) {
  if (final === null) return null;
  return (
    <div>
      <h2>Final evaluation</h2>
      <Wide label="Table of policies">
        <table>
          <thead>
            <tr>
              <th scope="col">policy</th>
              <th scope="col" class="left">
                set
              </th>
              <th scope="col">right (95 %)</th>
              <th scope="col">against the start</th>
              <th scope="col">against the control</th>
              <th scope="col">sound (95 %)</th>
              <th scope="col">optimizer tokens</th>
              <th scope="col">FLOP</th>
            </tr>
          </thead>
          <tbody>
            {final.rows.flatMap((row) =>
              row.sets.map((set) => <FinalRow key={`${row.name} ${nameOf(set)}`} row={row} set={set} />),
            )}
          </tbody>
        </table>
      </Wide>
      {final.rows.flatMap(({ name, bestOf = [] }) =>
        bestOf.map((report) => <BestOf key={`${name} ${nameOf(report)}`} policy={name} report={report} />),
      )}
    </div>
  );
}

type Row = FinalReport['rows'][number];

function FinalRow({ row, set }: { readonly row: Row; readonly set: SetReport }) {
  const control = row.againstControl?.find((other) => nameOf(other) === nameOf(set))?.paired ?? null;
  return (
    <tr>
      <th scope="row">{row.name}</th>
      <td class="left">
        {nameOf(set)} <small class="dim">{set.n}</small>
      </td>
      <td>
        <Share value={set.accuracy} ci95={set.ci95} />
      </td>
      <td>{set.paired === null ? NOTHING : paired(set.paired)}</td>
      <td>{control === null ? NOTHING : paired(control)}</td>
      <td>
        <EstimateShare figure={set.sound} />
      </td>
      <td>{short(row.optimizerTokens)}</td>
      <td>{short(row.flops)}</td>
    </tr>
  );
}

function BestOf({ policy, report }: { readonly policy: string; readonly report: BestOfReport }) {
  return (
    <Wide label="Answers chosen among several">
      <table>
        <caption>
          {policy} on {nameOf(report)}: an answer chosen among {report.samples} samples of {report.questions} questions
        </caption>
        <thead>
          <tr>
            <th scope="col">rule</th>
            <th scope="col">right (95 %)</th>
            <th scope="col">sound (95 %)</th>
            <th scope="col">against greedy</th>
            <th scope="col">against the majority</th>
          </tr>
        </thead>
        <tbody>
          {report.rules.map(({ rule, accuracy, sound, againstGreedy, againstMajority }) => (
            <tr key={rule}>
              <th scope="row">{rule}</th>
              <td>
                <EstimateShare figure={accuracy} />
              </td>
              <td>
                <EstimateShare figure={sound} />
              </td>
              {[againstGreedy, againstMajority].map((figure, i) => (
                <td key={i}>{figure === null ? NOTHING : `${points(figure.value)} (${percentRange(figure.ci95)})`}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Wide>
  );
}
