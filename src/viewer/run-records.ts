// A run's configuration -> the index of its records, the task that checks them, lists of questions.
import { messageOf } from '../errors.ts';
import { canonicalJson } from '../hashing.ts';
import type { CacheOptions } from '../io/cache.ts';
import { RunIndex } from '../pipeline/run-index/run-index.ts';
import type { RunView } from '../pipeline/run-reader.ts';
import type { Task } from '../task.ts';
import type { OpenTasks } from '../tasks/index.ts';
import { PathTruth } from './queries/path-truth.ts';
import { QuestionLists } from './queries/question-lists.ts';

interface Parts extends Pick<CacheOptions, 'cache' | 'signal'> {
  readonly tasks: OpenTasks;
}

/** What stands and falls with the configuration of a run: labels and path scores follow from it. Begins to read at once. */
export class RunRecords {
  readonly index: RunIndex;
  /** null: this machine cannot open it, and steps are not checked. */
  readonly task: Task | null;
  readonly truth: PathTruth;
  readonly lists: QuestionLists;
  /** The records of what was there first. */
  readonly first: Promise<void>;
  readonly #config: string;
  readonly #faults: readonly string[];
  #reading: Promise<void>;

  constructor({ dir, config }: Pick<RunView, 'dir' | 'config'>, { tasks, ...options }: Parts) {
    this.#config = canonicalJson(config);
    this.index = new RunIndex(dir, config, options);
    const { task, fault } = opened(tasks, config.task.name);
    this.task = task;
    this.#faults = fault === null ? [] : [fault];
    this.truth = new PathTruth(this.index, task);
    this.lists = new QuestionLists(this.index, this.truth, () => performance.now());
    this.#reading = this.index.refresh();
    this.first = this.#reading;
    // Whoever waits for it is told.
    this.first.catch(() => undefined);
  }

  isOf(config: RunView['config']): boolean {
    return this.#config === canonicalJson(config);
  }

  get faults(): readonly string[] {
    const { faults, cacheFault } = this.index;
    return [...faults, ...this.#faults, ...(cacheFault === null ? [] : [cacheFault])];
  }

  /** Reads what is new, behind what is being read. Who wants to know its end waits for `settled`. */
  refresh(): void {
    this.#reading = this.#reading.catch(() => undefined).then(() => this.index.refresh());
    this.#reading.catch(() => undefined);
  }

  settled(): Promise<void> {
    return this.#reading;
  }
}

function opened(tasks: OpenTasks, name: string): { readonly task: Task | null; readonly fault: string | null } {
  try {
    return { task: tasks.named(name), fault: null };
  } catch (error) {
    return { task: null, fault: `Steps are not checked: ${messageOf(error)}` };
  }
}
