// A graph's weight files -> hard links to them in one new folder, where a session may read them.
import { linkSync, mkdtempSync, realpathSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { messageOf, SipfError } from '../../errors.ts';
import type { Graph } from '../graph.ts';

/**
 * The runtime reads external data only from the model's own folder and follows no symbolic link out of it, so each weight
 * file gets a hard link in a new folder: the temporary one, or, where that is another file system, one beside the weights.
 * @throws SipfError 'bad-input' when a file is too short; 'write-failed' when no folder takes the links.
 */
export function linkWeights(graph: Graph): { folder: string; links: Map<string, string> } {
  const files = [...new Set([...graph.weights.values()].map(({ slice }) => slice.file))];
  checkLengths(graph, files);
  const failures: string[] = [];
  for (const parent of new Set([tmpdir(), ...files.map((file) => dirname(resolve(file)))])) {
    let folder: string | undefined;
    try {
      // The process's id tells, to a process that finds the folder, whether it is left over.
      folder = mkdtempSync(join(parent, `.sipf-session-${process.pid}-`));
      const links = new Map<string, string>();
      for (const file of files) {
        links.set(file, `weights-${links.size}`);
        linkSync(realpathSync(file), join(folder, `weights-${links.size - 1}`));
      }
      return { folder, links };
    } catch (thrown) {
      failures.push(messageOf(thrown));
      if (folder) rmSync(folder, { recursive: true, force: true });
    }
  }
  throw new SipfError(
    'write-failed',
    `Expected to link the weight files into a temporary folder on their own disk, got: ${failures.join('; ')}. Make the folder of the weights writable, or put TMPDIR on its disk.`,
  );
}

function checkLengths(graph: Graph, files: readonly string[]): void {
  const sizes = new Map(files.map((file) => [file, statSync(file).size]));
  for (const [name, { slice }] of graph.weights) {
    const [end, size] = [slice.offset + slice.length, sizes.get(slice.file) as number];
    if (end <= size) continue;
    throw new SipfError(
      'bad-input',
      `Expected weight ${name} at bytes ${slice.offset} to ${end} of ${slice.file}, got a file of ${size} bytes. Write or fetch it again.`,
    );
  }
}
