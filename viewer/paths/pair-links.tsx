// A path and its question's pairs -> links to the pairs that it is a side of.
import type { PathView, PreferencePair, QuestionReply } from '../../src/viewer/api.ts';
import { hrefOf } from '../state/route.ts';
import { count } from '../text/format.ts';

/** Where a path is: what its links and requests need. */
export interface Where {
  readonly run: string;
  readonly round: string;
}

export type PairsOfQuestion = QuestionReply['pairs'];

interface PairLinksProps {
  readonly path: PathView;
  readonly where: Where;
  readonly pairs: PairsOfQuestion;
}

export function PairLinks({ path, where, pairs }: PairLinksProps) {
  const { id } = path.sample;
  const own = pairs.filter(({ pair }) => pair.chosen.sampleId === id || pair.rejected?.sampleId === id);
  return (
    <>
      {own.map(({ index, pair }) => (
        <a key={index} href={hrefOf({ page: 'pair', query: { ...where, index: String(index) } })}>
          {sideWords(pair, id)} {count(index + 1)}
        </a>
      ))}
    </>
  );
}

function sideWords({ chosen, rejected }: PreferencePair, id: string): string {
  if (rejected === null) return 'trains alone, no.';
  return chosen.sampleId === id ? 'chosen in pair' : 'rejected in pair';
}
