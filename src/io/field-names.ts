// A record without a wanted field -> the sentence that names the field it most likely means.
import { editDistance } from '../nearest.ts';

/** Names that other tools and data sets use for the same thing, the likeliest first. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  question: ['prompt', 'problem', 'instruction', 'query', 'input', 'text', 'q', 'user', 'task', 'title', 'body'],
  answer: [
    'final_answer',
    'expected_answer',
    'ground_truth',
    'target',
    'label',
    'output',
    'response',
    'result',
    'expected',
    'gold',
    'reference',
    'completion',
    'answers',
    'correct_answer',
    'a',
  ],
  problem: ['question', 'prompt', 'instruction', 'query', 'input', 'text'],
  solution: ['steps', 'rationale', 'reasoning', 'explanation', 'cot', 'response', 'completion', 'output', 'answer'],
  reference: ['answer', 'target', 'label', 'gold', 'expected', 'ground_truth', 'solution'],
  completion: ['response', 'output', 'generation', 'prediction', 'text', 'answer'],
  prompt: ['question', 'instruction', 'problem', 'query', 'input', 'text', 'description'],
  tests: ['test_cases', 'test_list', 'unit_tests', 'asserts', 'assertions', 'test'],
  steps: ['step', 'solution', 'completion', 'completions', 'response', 'reasoning', 'output', 'path', 'rationale'],
  chosen: ['preferred', 'accepted', 'winner', 'better', 'positive', 'response_chosen', 'good'],
  rejected: ['dispreferred', 'loser', 'worse', 'negative', 'response_rejected', 'bad'],
};

/** Fields that are missing together: both are named at once. */
const TOGETHER: readonly (readonly string[])[] = [
  ['question', 'answer'],
  ['prompt', 'tests'],
  ['reference', 'completion'],
  ['question', 'steps'],
  ['prompt', 'chosen', 'rejected'],
];

/** Names that a chat record holds its messages under. */
const CHATS = ['messages', 'conversations', 'conversation', 'dialog', 'dialogue'];

const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');

/** The field of `value` that `wanted` is likely called there; null: none. Fields in `taken` are not it. */
function nearestField(
  value: Readonly<Record<string, unknown>>,
  wanted: string,
  taken: readonly string[] = [],
): string | null {
  const names = Object.keys(value).filter((name) => name !== wanted && !taken.includes(name));
  const same = names.find((name) => plain(name) === plain(wanted));
  if (same !== undefined) return same;
  for (const synonym of SYNONYMS[wanted] ?? []) {
    const found = names.find((name) => plain(name) === plain(synonym));
    if (found !== undefined) return found;
  }
  const distance = (name: string) => editDistance(plain(name), wanted);
  const [near] = names.filter((name) => distance(name) <= 0.34).sort((a, b) => distance(a) - distance(b));
  if (near !== undefined) return near;
  return names.find((name) => plain(name).includes(wanted)) ?? null;
}

/** ` Rename "prompt" to "question" ... in every record.`, or an empty text where no field is like it. */
export function renameHint(
  value: Readonly<Record<string, unknown>>,
  missing: string,
  also?: readonly string[],
): string {
  const chat = CHATS.find((name) => Array.isArray(value[name]));
  if (chat !== undefined)
    return ` "${chat}" is a chat: write what the user asks as "question" and the short result as "answer".`;
  const group = also ?? TOGETHER.find((names) => names[0] === missing || names.includes(missing)) ?? [missing];
  const wanted = [missing, ...group.filter((name) => name !== missing && value[name] === undefined)];
  const renames: [string, string][] = [];
  for (const name of wanted) {
    const found = nearestField(value, name, [...group, ...renames.map(([from]) => from)]);
    if (found !== null) renames.push([found, name]);
  }
  if (!renames.some(([, to]) => to === missing)) return '';
  return ` Rename ${renames.map(([from, to]) => `"${from}" to "${to}"`).join(' and ')} in every record.`;
}
