// The filters of the list of questions <-> the address: ready-made lists, a search, and bounds.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Outcome, PathFilter, QuestionsReply } from '../../src/viewer/api.ts';
import { useApp, useKeys, useReply } from '../state/app.ts';
import { changed, hrefOf, type Query } from '../state/route.ts';
import { count } from '../text/format.ts';

/** Names of the address that narrow the list. */
export const FILTERS = [
  'drawnIn',
  'outcome',
  'reason',
  'scoreFrom',
  'scoreTo',
  'tokensFrom',
  'tokensTo',
  'truncated',
  'duplicate',
  'list',
  'text',
  'sort',
] as const satisfies readonly (keyof PathFilter | 'sort')[];

export function filterOf(query: Query): Query {
  const entries = FILTERS.map((name) => [name, query[name]] as const);
  return Object.fromEntries(
    entries.filter((entry): entry is [(typeof FILTERS)[number], string] => entry[1] !== undefined),
  );
}

type ListName = NonNullable<PathFilter['list']>;

const LISTS: readonly { readonly name: ListName; readonly label: string; readonly title: string }[] = [
  {
    name: 'false-step',
    label: 'Right, false step',
    title: 'The answer is right, and an exact check finds a false step',
  },
  { name: 'high-wrong', label: 'High score, wrong', title: 'The path score is high, and the answer is wrong' },
  { name: 'low-right', label: 'Low score, right', title: 'The path score is low, and the answer is right' },
  { name: 'disagree', label: 'Score ≠ label', title: 'A step whose score and hard label say different things' },
  { name: 'unscorable', label: 'Near-unscorable', title: 'No answer, cut off, or too long to score' },
];

/** What every request of the list asks. */
export interface Asked {
  readonly run: string;
  readonly round: string;
}

interface ListsProps {
  readonly asked: Asked;
  /** Of the list that is open; other filters stay. */
  readonly query: Query;
  /** First link: to all questions. */
  readonly all: boolean;
}

export function Lists({ asked, query, all }: ListsProps) {
  const chosen = query['list'];
  const to = (list: string | null): string =>
    hrefOf({ page: 'questions', query: changed({ ...query, ...asked }, { list, at: null }) });
  return (
    <nav aria-label="Ready-made lists" class="lists">
      {all && (
        <a href={to(null)} aria-current={chosen === undefined ? 'page' : undefined}>
          All
        </a>
      )}
      {LISTS.map(({ name, label, title }) => (
        <a key={name} href={to(name)} title={title} aria-current={chosen === name ? 'page' : undefined}>
          {label} <ListCount asked={asked} list={name} />
        </a>
      ))}
    </nav>
  );
}

function ListCount({ asked, list }: { readonly asked: Asked; readonly list: ListName }) {
  const { data } = useReply<QuestionsReply>('api/questions', { ...asked, list, limit: '0', offset: '0' });
  // Where the server must read the paths themselves, the open list alone counts them.
  return data === null || data.total === null ? null : <span class="count">{count(data.total)}</span>;
}

type Reason = Extract<Outcome, { readonly kind: 'wrong' }>['reason'];

/** A record, so that none can be forgotten. */
const REASONS: Readonly<Record<Reason, true>> = {
  'other-answer': true,
  'no-answer': true,
  truncated: true,
  'false-equation': true,
  assertion: true,
  exception: true,
  timeout: true,
  memory: true,
  syntax: true,
  exit: true,
};

const SORTS: readonly (readonly [value: string, label: string])[] = [
  ['', 'as in the file'],
  ['score', 'lowest score first'],
  ['-score', 'highest score first'],
  ['-spread', 'widest scores first'],
  ['right', 'fewest right first'],
  ['-right', 'most right first'],
  ['-paths', 'most paths first'],
  ['-tokens', 'longest first'],
];

export function Filters({ rounds }: { readonly rounds: number }) {
  const { router } = useApp();
  const { page, query } = router.route.value;
  const set = (changes: Readonly<Record<string, string | null>>): void =>
    router.replace({ page, query: changed(query, { ...changes, at: null }) });
  const isSet = FILTERS.some((name) => name !== 'list' && query[name] !== undefined);
  return (
    <search class="filters">
      <SearchField text={query['text'] ?? ''} onText={(text) => set({ text })} />
      <Choice label="Sort" value={query['sort']} options={SORTS} onChoice={(sort) => set({ sort })} />
      <details class="fold" open={isWide() || isSet}>
        <summary>More filters</summary>
        <div>
          <Choice
            label="Outcome"
            value={query['outcome']}
            options={OUTCOMES}
            onChoice={(outcome) => set({ outcome, reason: null })}
          />
          <Choice
            label="Reason"
            value={query['reason']}
            options={REASON_OPTIONS}
            onChoice={(reason) => set({ reason })}
          />
          <Bounds label="Score" names={['scoreFrom', 'scoreTo']} step="0.05" query={query} onBound={set} />
          <Bounds label="Tokens" names={['tokensFrom', 'tokensTo']} step="1" query={query} onBound={set} />
          <Choice
            label="New in"
            value={query['drawnIn']}
            options={roundOptions(rounds)}
            onChoice={(drawnIn) => set({ drawnIn })}
          />
          <Choice
            label="Cut off"
            value={query['truncated']}
            options={YES_NO}
            onChoice={(truncated) => set({ truncated })}
          />
          <Choice
            label="Duplicate"
            value={query['duplicate']}
            options={YES_NO}
            onChoice={(duplicate) => set({ duplicate })}
          />
        </div>
      </details>
      {isSet && (
        <button type="button" onClick={() => set(Object.fromEntries(FILTERS.map((name) => [name, null])))}>
          Clear
        </button>
      )}
    </search>
  );
}

/** As the style has it: narrower windows fold the filters away. */
function isWide(): boolean {
  return window.matchMedia('(min-width: 701px)').matches;
}

const ANY = ['', 'any'] as const;
const OUTCOMES = [ANY, ['right', 'right'], ['wrong', 'wrong'], ['error', 'error']] as const;
const REASON_OPTIONS = [ANY, ...Object.keys(REASONS).map((reason) => [reason, reason] as const)];
const YES_NO = [ANY, ['true', 'yes'], ['false', 'no']] as const;

function roundOptions(rounds: number): readonly (readonly [string, string])[] {
  return [
    ['', 'any round'],
    ...Array.from({ length: Math.max(0, rounds - 1) }, (_, i) => [`${i + 1}`, `round ${i + 1}`] as const),
  ];
}

interface ChoiceProps {
  readonly label: string;
  readonly value: string | undefined;
  readonly options: readonly (readonly [value: string, label: string])[];
  readonly onChoice: (value: string) => void;
}

export function Choice({ label, value = '', options, onChoice }: ChoiceProps) {
  return (
    <label class={value !== '' && options[0]?.[0] === '' ? 'field set' : 'field'}>
      <span>{label}</span>
      <select value={value} onChange={(event) => onChoice(event.currentTarget.value)}>
        {options.map(([own, words]) => (
          <option key={own} value={own}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

interface BoundsProps {
  readonly label: string;
  readonly names: readonly [string, string];
  readonly step: string;
  readonly query: Query;
  readonly onBound: (changes: Readonly<Record<string, string>>) => void;
}

function Bounds({ label, names, step, query, onBound }: BoundsProps) {
  return (
    <fieldset class="field bounds">
      <legend class="unseen-name">{label}</legend>
      <span aria-hidden="true">{label}</span>
      {names.map((name, i) => (
        <input
          key={name}
          type="number"
          step={step}
          aria-label={`${label} ${i === 0 ? 'from' : 'to'}`}
          placeholder={i === 0 ? 'from' : 'to'}
          value={query[name] ?? ''}
          onChange={(event) => onBound({ [name]: event.currentTarget.value })}
        />
      ))}
    </fieldset>
  );
}

const TYPING_MS = 300;

/** Searches once the typing stops. */
function SearchField({ text, onText }: { readonly text: string; readonly onText: (text: string) => void }) {
  const field = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState(text);
  const latest = useRef(onText);
  latest.current = onText;
  useEffect(() => setTyped(text), [text]);
  useEffect(() => {
    if (typed === text) return;
    const timer = setTimeout(() => latest.current(typed), TYPING_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  useKeys({ '/': () => field.current?.focus() });
  return (
    <label class="field search">
      <span>Search</span>
      <input
        ref={field}
        type="search"
        name="text"
        maxLength={1000}
        autocomplete="off"
        spellcheck={false}
        placeholder="in questions, steps, answers"
        value={typed}
        onInput={(event) => setTyped(event.currentTarget.value)}
        onKeyDown={(event) => event.key === 'Escape' && field.current?.blur()}
      />
      <kbd>/</kbd>
    </label>
  );
}
