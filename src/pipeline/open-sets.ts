// Loaded question sets -> sets to evaluate on: references checked, prompts made, warnings said.
import { canonicalJson, sha256 } from '../hashing.ts';
import type { EvaluationSet, OpenSet } from '../method/evaluate.ts';
import { type BuildPrompt, makePrompter, type PrompterArgs } from '../method/prompt.ts';
import type { Run } from '../run/run.ts';
import type { Shot, Task } from '../task.ts';
import { type LoadedSet, nameOfSet, type Seen, sharedWarnings, sizeWarning } from './question-sets.ts';
import { checkReferences } from './references.ts';

/** A question set with what its figures must be read with. */
interface GradedSet extends OpenSet {
  readonly warnings: readonly string[];
}

/** Opens question sets, each once a run. */
export type OpenSets = (sets: readonly EvaluationSet[]) => Promise<GradedSet[]>;

/** Opens loaded sets; warns at once of all that cannot measure what they should. */
export function setOpener(run: Run, loaded: ReadonlyMap<string, LoadedSet>, seen: Seen, prompts: RunPrompt): OpenSets {
  const opened = new Map<string, Promise<GradedSet>>();
  const warnings = new Map(
    [...loaded].map(([key, one]) => {
      const name = nameOfSet(one);
      return [key, [...sizeWarning(name, one.questions.length), ...sharedWarnings(name, one.questions, seen)]] as const;
    }),
  );
  for (const warning of new Set([...warnings.values()].flat())) run.warn(warning);
  const openOne = async (key: string): Promise<GradedSet> => {
    const found = loaded.get(key);
    if (found === undefined) throw new Error(`Expected a loaded set, got ${key}.`);
    const { set, task } = found;
    const of = `-${task.name}-${set.split}-${sha256(key).slice(0, 8)}`;
    const { kept: questions } = await checkReferences(run, task, found.questions, of);
    const prompt = await promptOfSet(found, prompts);
    return { task, split: set.split, prompt, questions, warnings: warnings.get(key) ?? [] };
  };
  return (sets) => {
    const keys = sets.map(canonicalJson);
    for (const key of keys) if (!opened.has(key)) opened.set(key, openOne(key));
    return Promise.all(keys.map((key) => opened.get(key)!));
  };
}

interface RunPrompt extends PrompterArgs {
  readonly prompt: BuildPrompt;
}

/** The run's own prompts, or for another task's set prompts made like them. */
export async function promptOfSet({ own, task }: LoadedSet, run: RunPrompt): Promise<BuildPrompt> {
  const { options, shots, openPolicy } = run;
  return own ? run.prompt : makePrompter({ task, options, shots: shotsLike(run.task, task, shots), openPolicy });
}

/** Worked examples of the run's task for another one; of a mixture, those of the first member that is graded alike. */
function shotsLike(own: Task, other: Task, shots: readonly Shot[]): readonly Shot[] {
  const like = own.members?.find(({ gradedBy }) => gradedBy === other.gradedBy);
  if (own.members === undefined) return shots;
  return shots.flatMap(({ task, ...shot }) => (task === undefined || task === like?.name ? [shot] : []));
}
