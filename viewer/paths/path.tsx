// A path -> one row a step: a chip with its score, tally, check and log-probability, and its text.
import { useEffect, useRef } from 'preact/hooks';
import type { HumanLabel, PathView } from '../../src/viewer/api.ts';
import { Mark, OutcomeWords, Score } from '../parts/marks.tsx';
import { Code } from '../text/code.tsx';
import { fixed, NOTHING, plural } from '../text/format.ts';
import { ModelText, Plain } from '../text/model-text.tsx';
import { PairLinks, type PairsOfQuestion, type Where } from './pair-links.tsx';
import { StepDetail } from './step-detail.tsx';
import { answerText, factsOf, factWords, isDisputed, type StepFacts, shortId, tallyWords } from './step-facts.ts';

interface PathProps {
  readonly path: PathView;
  readonly where: Where;
  readonly isCode: boolean;
  readonly pairs: PairsOfQuestion;
  /** The step that keys act on; null: it is on another path. */
  readonly current: number | null;
  /** The current step's rollouts, tokens and pairs are shown. */
  readonly isOpen: boolean;
  /** null: nothing opens (a report). */
  readonly onStep: ((step: number) => void) | null;
}

export function Path(props: PathProps) {
  const { path, where, pairs, current, isOpen } = props;
  const facts = factsOf(path);
  return (
    <article class="path" aria-label={`Path ${shortId(path)}`}>
      <PathHead path={path} where={where} pairs={pairs} />
      <ol class="steps">
        {facts.map((fact, j) => (
          <li key={j} class={j === current ? 'step current' : 'step'}>
            <Chip
              facts={fact}
              number={j + 1}
              isCurrent={j === current}
              isOpen={isOpen && j === current}
              onOpen={openerOf(props, j)}
            />
            <div class="step-text">{props.isCode ? <Code text={fact.text} /> : <ModelText text={fact.text} />}</div>
            {isOpen && j === current && (
              <StepDetail path={path} step={j} facts={fact} where={where} pairs={pairs} isCode={props.isCode} />
            )}
          </li>
        ))}
      </ol>
    </article>
  );
}

function openerOf({ onStep }: PathProps, step: number): (() => void) | null {
  return onStep === null ? null : () => onStep(step);
}

function PathHead({ path, where, pairs }: Pick<PathProps, 'path' | 'where' | 'pairs'>) {
  const { sample, pathScore } = path;
  const drawn = sample.tokens - (sample.forced ?? 0);
  return (
    <header class="path-head">
      <h3>
        <OutcomeWords outcome={sample.outcome} />
        <span class="path-answer">
          <Plain text={answerText(sample)} />
        </span>
      </h3>
      <p class="facts">
        <span title={sample.id}>
          <Plain text={shortId(path)} />
        </span>
        <span>
          path score <Score value={pathScore} digits={3} />
        </span>
        {sample.tokens > 0 && <span>{plural(sample.tokens, 'token')}</span>}
        {sample.sumLogp !== null && drawn > 0 && <span>mean log P {fixed(sample.sumLogp / drawn, 3)}</span>}
        {wordsOfSample(path).map((word) => (
          <span key={word} class="tag">
            <Plain text={word} />
          </span>
        ))}
        <PairLinks path={path} where={where} pairs={pairs} />
      </p>
    </header>
  );
}

function wordsOfSample({ sample, duplicateOf, scores, labels }: PathView): string[] {
  const words = [
    sample.source === 'policy' ? null : sample.source,
    sample.hinted === true ? 'hinted' : null,
    sample.finishReason === 'length' ? 'cut off' : null,
    duplicateOf === null ? null : `equal to ${duplicateOf.slice(sample.questionId.length + 1)}`,
    scores !== null && scores.scores === null ? 'too long to score' : null,
    labels === null ? 'no labels' : null,
  ];
  return words.filter((word) => word !== null);
}

export function ChipHead() {
  return (
    <div class="chip-head" aria-hidden="true">
      <span>step</span>
      <span>score</span>
      <span>rollouts</span>
      <span>label</span>
      <span>check</span>
      <span>log P</span>
      <span>hand</span>
    </div>
  );
}

interface ChipProps {
  readonly facts: StepFacts;
  readonly number: number;
  readonly isCurrent: boolean;
  readonly isOpen: boolean;
  readonly onOpen: (() => void) | null;
}

function Chip({ facts, number, isCurrent, isOpen, onOpen }: ChipProps) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!isCurrent) return;
    button.current?.focus({ preventScroll: true });
    button.current?.scrollIntoView({ block: 'nearest' });
  }, [isCurrent]);
  const words = factWords(facts, number);
  const inside = <ChipFacts facts={facts} number={number} />;
  const names = isDisputed(facts) ? 'chip disputed' : 'chip';
  if (onOpen === null) {
    return (
      <div class={names} role="img" aria-label={words}>
        {inside}
      </div>
    );
  }
  return (
    <button
      ref={button}
      type="button"
      class={names}
      aria-expanded={isOpen}
      tabIndex={isCurrent ? 0 : -1}
      onClick={onOpen}
    >
      <span class="unseen-name">{words}</span>
      <span class="as-children" aria-hidden="true">
        {inside}
      </span>
    </button>
  );
}

function ChipFacts({ facts, number }: Pick<ChipProps, 'facts' | 'number'>) {
  const tally = tallyWords(facts);
  return (
    <>
      <span class="chip-number">
        {number}
        {isDisputed(facts) && (
          <span
            class="dispute"
            title="disputed: the score and the label, the check or the outcome say different things"
          >
            ≠
          </span>
        )}
      </span>
      <Score value={facts.score} />
      <span class={tally === null ? 'dim' : 'tally'} title={tally?.title}>
        {tally?.text ?? NOTHING}
      </span>
      <Mark is={facts.hard} yes="label: right" no="label: wrong" />
      <Mark is={facts.truth} yes="exact check: true" no="exact check: false" />
      <span class={facts.leastLogp === null ? 'dim' : 'figure'} title="least log-probability of its tokens">
        {fixed(facts.leastLogp, 2)}
      </span>
      <HandMark label={facts.human} />
    </>
  );
}

const HAND_MARKS: Readonly<Record<NonNullable<HumanLabel['label']>, string>> = { good: '+', bad: '−', unsure: '?' };

/** A label by hand has a mark of its own, a ring. */
function HandMark({ label }: { readonly label: HumanLabel['label'] }) {
  if (label === null) return <span class="dim">{NOTHING}</span>;
  return (
    <span class={`hand ${label}`} title={`by hand: ${label}`}>
      {HAND_MARKS[label]}
    </span>
  );
}
