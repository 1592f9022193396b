// A completion and a question's options -> the one option that it picks, if any.

import { type Graded, wrong } from '../../task.ts';
import { sameAnswer } from './answer-values.ts';
import { letterOf, onlyOption, rightOption } from './choices.ts';
import { statedMath } from './formulas/stated-math.ts';
import { ownText } from './stated-text.ts';

interface ChoiceQuestion {
  readonly answer: string;
  readonly choices: readonly string[];
}

/** Grades as gradeMath does; what is compared is the option. `extracted` is its letter, or what was said where that is no option. */
export function gradeChoice(
  { answer, choices }: ChoiceQuestion,
  completion: string,
  finishReason: 'stop' | 'length',
): Graded {
  const picked = pickIn(completion, choices);
  if (finishReason === 'length' && !picked?.explicit) return wrong('truncated');
  if (picked === null) return wrong('no-answer');
  const right = rightOption(choices, answer);
  const extracted = typeof picked.index === 'number' ? letterOf(picked.index) : picked.said;
  return picked.index === right ? { extracted, outcome: { kind: 'right' } } : wrong('other-answer', extracted);
}

interface Picked {
  readonly said: string;
  /** The option; null: none; `unclear`: its letter and its text are of two. */
  readonly index: number | 'unclear' | null;
  readonly explicit: boolean;
}

const CORRECT = /\bcorrect (?:option|choice|answer|letter)(?: is|:)\s*([^\n]{1,200})/gi;

function pickIn(completion: string, choices: readonly string[]): Picked | null {
  const text = ownText(completion).trim();
  const picked = (said: string, explicit: boolean): Picked => ({ said, index: optionSaid(said, choices), explicit });
  const stated = statedMath(text);
  if (stated?.explicit) return picked(stated.text, true);
  const correct = [...text.matchAll(CORRECT)].at(-1)?.[1];
  if (correct !== undefined) return picked(correct.replace(/[.!](?:\s.*)?$/s, ''), true);
  // A completion that is a pick and nothing else, or begins or ends with a line that is.
  const lines = text.split('\n');
  for (const line of [text, lines.at(-1) ?? '', lines[0] ?? '']) {
    const index = line.length > 300 ? null : optionSaid(line, choices, true);
    if (index === null) continue;
    // Of a text that was cut, a last `C` may be the beginning of a word.
    const isWhole = line !== lines.at(-1) || /^\(?[A-Za-z][).:]/.test(line);
    return { said: line, index, explicit: isWhole };
  }
  return stated === null ? null : picked(stated.text, false);
}

/** The option that `said` names. `alone`: it must say nothing else. */
function optionSaid(said: string, choices: readonly string[], alone = false): Picked['index'] {
  const text = bare(said);
  const byText = optionWith(text, choices);
  const lettered =
    /^(?:(?:[Tt]he )?(?:[Oo]ption|[Cc]hoice|[Aa]nswer|[Ll]etter)[ :]*)?(?<open>[([]?)(?<letter>[A-Za-z])(?<close>[)\].:]?)(?:$|(?<=[)\].:])\s*(?<rest>.+)$|\s*[,(:-]\s*(?<more>.+)$|\s+(?<why>(?:which|because|since|is|as)\b.*)$)/su.exec(
      text,
    );
  const { open = '', letter = '', close = '', rest, more, why } = lettered?.groups ?? {};
  const isUpper = /[A-Z]/.test(letter) || open !== '' || close === ')' || /option|choice/i.test(text);
  const byLetter = letter === '' || !isUpper ? -1 : letter.toUpperCase().charCodeAt(0) - 65;
  if (byLetter < 0 || byLetter >= choices.length) return byText;
  const words = rest ?? more;
  if (words === undefined && why === undefined) {
    // A lone letter that is another option's text names two options.
    const isText = byText !== null && byText !== byLetter && open === '' && close === '' && text.length === 1;
    return isText ? 'unclear' : byLetter;
  }
  const named = optionWith(bare((words ?? '').replace(/\)$/, '')), choices);
  if (named !== null) return named === byLetter ? byLetter : 'unclear';
  // `A) 5` where no option is 5: the letter and the text do not agree.
  const isOther = words !== undefined && (alone || /^[-+\d$\\.]/.test(words));
  return isOther ? 'unclear' : byLetter;
}

/** Without markup, dollars, text commands and the sentence's end. */
function bare(text: string): string {
  return text
    .replace(/\\(?:text|mbox|textbf|mathrm|mathbf)\s*\{([^{}]*)\}/g, '$1')
    .replace(/\\[()[\]]|\$|\*\*|[*_"“”]/g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/[.!,;]+$/, '')
    .trim();
}

/** The one option with this text, else with this number. */
function optionWith(text: string, choices: readonly string[]): number | null {
  if (text === '') return null;
  const plain = (one: string): string =>
    bare(one)
      .toLowerCase()
      .replace(/[\s{}]+/g, '');
  return (
    onlyOption(choices, (option) => bare(option) === text) ??
    onlyOption(choices, (option) => plain(option) === plain(text)) ??
    onlyOption(choices, (option) => sameAnswer(option, text))
  );
}
