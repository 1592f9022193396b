// POST /tokenize -> the tokens of a text as a server reads them.
import { z } from 'zod';
import { isBusy, type ServerRequests } from './server-requests.ts';

/** Numbers, letters of several scripts, spaces and marks: tokenizers differ in one of them. */
export const PROBE_TEXT = 'Tom has 16 bags.\n3*4=<<3*4=12>>12 apples,  naïve Übung 東京 🙂 ###\n\tx == 1.50';

const Tokenized = z.object({ tokens: z.array(z.number().int()).min(1) });

/** vLLM, SGLang and sipf serve take a prompt, llama.cpp content. */
const TOKENIZE: readonly ((model: string | undefined) => object)[] = [
  (model) => ({ model, prompt: PROBE_TEXT }),
  () => ({ content: PROBE_TEXT, add_special: true }),
];

/**
 * Ids of `PROBE_TEXT`; null: the server does not tell them.
 * @throws SipfError 'unreachable' where there is no answer; 'aborted'.
 */
export async function probeTokens(
  requests: ServerRequests,
  model: string | undefined,
  signal: AbortSignal,
): Promise<readonly number[] | null> {
  for (const bodyOf of TOKENIZE) {
    const request = { path: '/tokenize', body: bodyOf(model), passes: isBusy };
    const { status, value } = await requests.send(request, (answer) => ({ answer }), signal);
    const parsed = Tokenized.safeParse(value);
    if (status === 200 && parsed.success) return parsed.data.tokens;
  }
  return null;
}

/** The place from which on ids differ; null: nowhere. Texts may begin by another rule where `mayBegin` is set. */
export function differsAt(here: readonly number[], there: readonly number[], mayBegin: boolean): number | null {
  if (isEqual(here, there)) return null;
  if (mayBegin && (isEqual(here.slice(1), there) || isEqual(here, there.slice(1)))) return null;
  return here.findIndex((id, n) => id !== there[n]);
}

const isEqual = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((id, n) => id === b[n]);
