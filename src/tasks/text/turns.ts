// A completion -> the one message of the model in it, without what repeats or follows it.
import { QUOTED } from './quoted.ts';

/** Texts of special tokens, as a completion shows them where its tokenizer did not know them: `<|im_end|>`, `</s>`, `[INST]`. */
const SPECIAL_TOKEN = [
  '<[|｜][^<>|｜\\n]{1,60}[|｜]?>|<[a-z_]{1,20}[|｜]>',
  `</?(?:s|bos|eos|pad|unk|sep|eot|eod|eom|eoa|eop|eoh|endoftext)>`,
  '<(?:start|begin|end)[-_▁ ]of[-_▁ ][a-z]{2,20}>',
  // Of code models: <fim_middle>, <file_sep>, <jupyter_code>.
  '<(?:(?:fim|issue|jupyter|commit)_[a-z_]{1,20}|file_sep|repo_?name|gh_stars|empty_output|extra_id_\\d{1,3})>',
  String.raw`\[/?INST\]|\[(?:BOS|EOS|PAD|SEP|CLS|EOT)\]|\[\|[a-z_]{1,30}\|\]|<</?SYS>>|</?(?:human|user|bot|assistant|system)>`,
].join('|');

/** Begins the answer itself, or a box in it. */
const CONTENT_TOKEN = /^<[|｜]?(?:begin|start)[-_▁ ]of[-_▁ ](?:solution|answer|response|output|box)[|｜]?>$/i;
const USER_TOKEN = String.raw`<[|｜](?:user|system|prompter)[|｜]>|\[\|(?:user|system)\|\]|\[INST\]|<<SYS>>|<(?:human|user|system)>`;

/** What may stand before the first word of a line: indentation, quotation, heading and emphasis. */
const MARKS = String.raw`[ \t]{0,8}(?:>[ \t]?){0,3}(?:#{1,6}[ \t]{1,4})?(?:\d{1,3}[.)][ \t])?[*_]{0,3}`;
const HEADING = String.raw`[ \t]{0,8}(?:#{1,6}[ \t]{1,4}[*_]{0,3}|[*_]{2,3})`;
const COLON = String.raw`[ \t]?[*_]{0,3}[ \t]?[:：]`;
const NUMBER = String.raw`[ \t]?(?:#|no\.?|number)?[ \t]?\d{1,4}[a-z]?`;
const LINE_END = String.raw`[ \t]*(?=\r?\n|$)`;
const KIND =
  '(?:(?:the |a )?(?:next|new|another|similar|second|follow[- ]?up|practice|example) )?(?:question|problem|exercise|puzzle)';

/** How a line begins that is a question, or the user's turn. */
const QUESTION = [
  `${KIND}(?:${NUMBER})?(?:[ \\t]?\\([^()\\n]{0,40}\\))?${COLON}`,
  `${KIND}${NUMBER}[*_]{0,3}(?:[.)]|[ \\t]?[-–—][ \\t]|${LINE_END})`,
  `(?:example${NUMBER}|(?:next|new|another) example)${COLON}`,
  `q(?:ues)?(?:${NUMBER})?${COLON}|q(?:ues)?[ \\t]?\\d{0,4}[.)](?=[ \\t])`,
  `(?:human|user|instructions?|prompt)${COLON}`,
].join('|');
const QUESTION_HEADING = `(?:${KIND}|instructions?|input|query|prompt|user|human)[*_]{0,3}:?[*_]{0,3}${LINE_END}`;
const QUESTION_LINE = `(?<=^|\\n)(?:${MARKS}(?:${QUESTION})|${HEADING}${QUESTION_HEADING})`;
/** After a sentence, within the line; `firstTurn` asks for its capital. */
const QUESTION_INLINE = `(?<=[.!?][ \\t]{1,3})(?:(?:question|problem|q)(?:${NUMBER})?|human|user):`;
/** The names of roles, which are left over where special tokens are not. */
const USER_ROLE = String.raw`(?<=^|\n|>)(?:user|human|system)(?=\r?\n|<[|｜])`;
const OWN_ROLE = String.raw`(?:(?<=^|\n|>)|(?<=[.!?\d})*\x60]))(?:assistant|model)(?=\r?\n|<[|｜])`;

const ANSWER_START = new RegExp(
  [
    `(?<=^|\\n|[.?!][ \\t]{1,3})${MARKS}(?:answer|a|solution|response|assistant|output|model)[ \\t]?\\d{0,4}${COLON}`,
    `(?<=^|\\n)${HEADING}(?:answer|solution|response|assistant|output)\\b`,
    `${OWN_ROLE}|<[|｜]?(?:assistant|bot)[|｜]?>|\\[\\|assistant\\|\\]|\\[/INST\\]`,
  ].join('|'),
  'iu',
);
const STATES_ANSWER = /answer|####|\\boxed|\\fbox/i;

interface TurnOptions {
  /** Tells whether the text before a question holds an answer. Where it holds none, the model repeats its question: its turn follows it. */
  readonly isAnswered?: (before: string) => boolean;
  /** The text may hold a program: only lines at the margin that begin with a capital are questions (`question: str` is none). */
  readonly program?: boolean;
}

/**
 * The first turn in a text. It ends at the first special token, and before the next question or turn. Special tokens, names of roles and a
 * repeated question at the beginning are left out. Each part of the text is shown to `isAnswered` at most once. Linear time.
 */
export function firstTurn(text: string, options: TurnOptions = {}): string {
  const { isAnswered = (before) => before.trim() !== '', program = false } = options;
  const next = new RegExp(
    `(?<shield>${QUOTED})|(?<user>${USER_TOKEN})|(?<token>${SPECIAL_TOKEN})|(?<own>${OWN_ROLE})|` +
      `(?<line>${QUESTION_LINE})|(?<role>${USER_ROLE})|(?<inline>${QUESTION_INLINE})`,
    'giu',
  );
  const question = new RegExp(`${QUESTION_LINE}|${USER_ROLE}`, 'giu');
  let start = 0;
  for (let match = next.exec(text); match !== null; match = next.exec(text)) {
    const { shield, user, token, own, line, inline } = match.groups ?? {};
    if (shield !== undefined || (token !== undefined && CONTENT_TOKEN.test(token))) continue;
    if (program && line !== undefined && !/^(?:#{2,6}[ \t]+)?[*_]{0,3}[A-Z]/.test(line)) continue;
    if (inline !== undefined && (program || !/^[A-Z]/.test(inline))) continue;
    const before = text.slice(start, match.index);
    const ends = token === undefined && user === undefined ? isAnswered(before) : before.trim() !== '';
    if (ends) return before;
    start = token === undefined && own === undefined ? afterQuestion(text, next.lastIndex, question) : next.lastIndex;
    next.lastIndex = start;
  }
  return text.slice(start);
}

/** Where the answer to a repeated question begins, whose first word ends at `from`. `question` finds the next one. */
function afterQuestion(text: string, from: number, question: RegExp): number {
  question.lastIndex = from;
  const part = text.slice(from, question.exec(text)?.index ?? text.length);
  const answer = ANSWER_START.exec(part);
  if (answer !== null) return from + answer.index;
  // Without such a mark: the lines up to the last one of its paragraph that ends in a question mark, or its first line.
  const paragraph = /^\s*(?:[^\n]*\S[^\n]*(?:\n|$))*/.exec(part)?.[0] ?? '';
  const asked = /^[\s\S]*\?[*_"”')\]]*[ \t]*(?:\r?\n|$)/.exec(paragraph) ?? /^\s*[^\n]*(?:\n|$)/.exec(paragraph);
  const stated = asked?.[0] ?? '';
  return STATES_ANSWER.test(stated) ? from : from + stated.length;
}
