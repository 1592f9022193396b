// The paths of a question -> a tree: equal first steps are one cell, forks are marked.
import type { PathView } from '../../src/viewer/api.ts';

/** A step that one or more paths share, together with all steps before it. */
export interface Cell {
  /** Place of the step in its paths. */
  readonly step: number;
  /** First row of the paths that share it, and how many they are. */
  readonly row: number;
  readonly span: number;
  /** The first of the paths that has labels, else the first: what is known of the step is read there. */
  readonly path: PathView;
  /** All that share it. */
  readonly paths: readonly PathView[];
  readonly text: string;
  /** Paths continue in several ways after it. */
  readonly isFork: boolean;
  /** Some of them are right and some are not. */
  readonly isDecisive: boolean;
}

export interface PathTree {
  /** Paths in the order of rows: those that share steps stand together. */
  readonly paths: readonly PathView[];
  readonly cells: readonly Cell[];
  readonly depth: number;
}

export function treeOf(paths: readonly PathView[]): PathTree {
  const ordered: PathView[] = [];
  const cells: Cell[] = [];
  const grow = (group: readonly PathView[], step: number): void => {
    for (const branch of branchesOf(group, step)) {
      const row = ordered.length;
      const isEnd = branch[0]?.sample.steps[step] === undefined;
      if (isEnd) ordered.push(...branch);
      else {
        cells.push(cellOf(branch, step, row));
        grow(branch, step + 1);
      }
    }
  };
  grow(paths, 0);
  return { paths: ordered, cells, depth: Math.max(0, ...paths.map(({ sample }) => sample.steps.length)) };
}

/** Groups of equal steps, in the order of their first paths; paths that have ended come first. */
function branchesOf(group: readonly PathView[], step: number): readonly (readonly PathView[])[] {
  const branches = new Map<string | undefined, PathView[]>();
  for (const path of group) {
    const text = path.sample.steps[step];
    const branch = branches.get(text);
    if (branch === undefined) branches.set(text, [path]);
    else branch.push(path);
  }
  const ended = branches.get(undefined);
  branches.delete(undefined);
  return [...(ended === undefined ? [] : [ended]), ...branches.values()];
}

function cellOf(branch: readonly PathView[], step: number, row: number): Cell {
  const path = branch.find(({ labels }) => labels !== null) ?? (branch[0] as PathView);
  const rights = branch.filter(({ sample }) => sample.outcome.kind === 'right').length;
  const isFork = new Set(branch.map(({ sample }) => sample.steps[step + 1])).size > 1;
  return {
    step,
    row,
    span: branch.length,
    path,
    paths: branch,
    text: path.sample.steps[step] ?? '',
    isFork,
    isDecisive: isFork && rights > 0 && rights < branch.length,
  };
}
