// An open step -> its tokens, its rollouts, the pairs of its path, buttons to label it.
import { useEffect, useRef } from 'preact/hooks';
import type { HumanLabel, PathView, RolloutsReply, TokensReply, TokenView } from '../../src/viewer/api.ts';
import { Loaded } from '../parts/loaded.tsx';
import { Note, OutcomeWords, Setting } from '../parts/marks.tsx';
import { useApp, useReply } from '../state/app.ts';
import { Code } from '../text/code.tsx';
import { fixed, plural } from '../text/format.ts';
import { ModelText, Plain } from '../text/model-text.tsx';
import { PairLinks, type PairsOfQuestion, type Where } from './pair-links.tsx';
import { type StepFacts, shortId } from './step-facts.ts';
import { tokensOf } from './step-tokens.ts';

interface StepDetailProps {
  readonly path: PathView;
  readonly step: number;
  readonly facts: StepFacts;
  readonly where: Where;
  readonly pairs: PairsOfQuestion;
  readonly isCode: boolean;
}

export function StepDetail(props: StepDetailProps) {
  const { path, step, where } = props;
  const sample = path.sample.id;
  const tokens = useReply<TokensReply>('api/tokens', { ...where, sample });
  const box = useRef<HTMLElement>(null);
  useEffect(() => box.current?.scrollIntoView({ block: 'nearest' }), [tokens.data === null]);
  return (
    <section ref={box} class="detail-box" aria-label={`Step ${step + 1} of path ${shortId(path)}`}>
      <HandButtons {...props} />
      <h4>Tokens</h4>
      <Loaded reply={tokens}>{(data) => <Tokens tokens={data.tokens} path={path} step={step} />}</Loaded>
      <h4>Rollouts from this step</h4>
      <Rollouts {...props} />
      <h4>Pairs with this path</h4>
      <p class="facts">
        <PairLinks path={path} where={where} pairs={props.pairs} />
        {props.pairs.every(({ pair }) => pair.chosen.sampleId !== sample && pair.rejected?.sampleId !== sample) && (
          <span class="dim">none</span>
        )}
      </p>
    </section>
  );
}

const CHOICES: readonly (readonly [key: string, label: HumanLabel['label'], words: string])[] = [
  ['g', 'good', 'good'],
  ['b', 'bad', 'bad'],
  ['u', 'unsure', 'unsure'],
  ['x', null, 'take back'],
];

function HandButtons({ path, step, facts, where }: StepDetailProps) {
  const { labels, said } = useApp();
  const { set } = labels;
  if (set === null) return null;
  return (
    <fieldset class="hand-buttons">
      <legend>By hand</legend>
      {CHOICES.map(([key, label, words]) => (
        <button
          key={key}
          type="button"
          aria-pressed={label === null ? undefined : facts.human === label}
          onClick={async () => {
            said.value = await set(where.run, path.sample.id, step, label);
          }}
        >
          {words} <kbd>{key}</kbd>
        </button>
      ))}
    </fieldset>
  );
}

function whyNoTokens({ sample }: PathView) {
  if (sample.source === 'gold') return 'No policy drew this path.';
  if (sample.source === 'rollout') return 'Tokens of rollouts are not kept.';
  return (
    <>
      Log-probabilities of tokens were not kept. Set <Setting name="sampling.keepLogps true" /> in the next run.
    </>
  );
}

interface TokensProps {
  readonly tokens: readonly TokenView[] | null;
  readonly path: PathView;
  readonly step: number;
}

/** Tokens of one step that are shown at most. */
const MOST_TOKENS = 600;

function Tokens({ tokens, path, step }: TokensProps) {
  if (tokens === null) {
    return <Note>{whyNoTokens(path)}</Note>;
  }
  const own = tokensOf(tokens, path.sample.steps, step);
  return (
    <p class="tokens">
      {own.slice(0, MOST_TOKENS).map((token, i) => (
        <Token key={i} token={token} />
      ))}
      {own.length > MOST_TOKENS && <span class="dim">… {plural(own.length - MOST_TOKENS, 'token')} more</span>}
    </p>
  );
}

function Token({ token: { text, logp } }: { readonly token: TokenView }) {
  const title = logp === null ? 'written by the calculator' : `log P ${fixed(logp, 3)}, P ${fixed(Math.exp(logp), 3)}`;
  return (
    <span class="token" title={title} style={{ '--doubt': logp === null ? '0' : Math.min(1, -logp / 5).toFixed(3) }}>
      <span class="token-text">
        <Plain text={text.replaceAll('\n', '⏎')} />
      </span>
      <small>{logp === null ? 'calc' : fixed(logp, 2)}</small>
    </span>
  );
}

function Rollouts({ path, step, facts, where, isCode }: StepDetailProps) {
  const query = facts.rollouts === 0 ? null : { ...where, sample: path.sample.id, step: String(step) };
  const reply = useReply<RolloutsReply>('api/rollouts', query);
  if (query === null) return <Note>{whyNoRollouts(facts)}</Note>;
  return (
    <Loaded reply={reply}>
      {({ rollouts }) => (
        <ol class="rollouts">
          {rollouts.map((rollout) => (
            <li key={rollout.id}>
              <OutcomeWords outcome={rollout.outcome} /> <Plain text={rollout.extracted ?? 'no answer'} />
              <Continuation steps={rollout.steps.slice(step + 1)} isCode={isCode} />
            </li>
          ))}
        </ol>
      )}
    </Loaded>
  );
}

function Continuation({ steps, isCode }: { readonly steps: readonly string[]; readonly isCode: boolean }) {
  return isCode ? <Code text={steps.join('')} /> : <ModelText text={steps.join('\n')} />;
}

function whyNoRollouts({ tally }: StepFacts) {
  if (tally === null) return 'This path has no labels.';
  if (tally.run === 0) return 'This step was not rolled out.';
  return (
    <>
      The texts of {plural(tally.run, 'rollout')} were not kept. Set <Setting name="labels.keepRollouts true" /> in the
      next run.
    </>
  );
}
