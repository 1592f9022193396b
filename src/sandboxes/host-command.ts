// This machine -> the command line of the embedded sandbox's process, with every wall it offers.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SipfError } from '../errors.ts';
import type { HostConfig } from './host/main.ts';

/** The version that the gate around its imports was written for. */
const PYODIDE_VERSION = '0.29.4';
const PYODIDE_FILES = ['pyodide.asm.js', 'pyodide.asm.wasm', 'python_stdlib.zip'];

export interface HostCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** Sentences about the walls. */
  readonly walls: readonly string[];
}

interface HostFolders {
  /** Folder with the compiled host/main.js and python/. */
  readonly host: string;
  readonly pyodide: string;
}

/** Where the host's files are: beside this file in a package, in dist/ when this file is a source. */
export function hostFolder(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  return import.meta.url.endsWith('.ts') ? join(here, '..', '..', 'dist', 'sandboxes') : here;
}

/**
 * The folder of Pyodide, checked for version and completeness.
 * @throws SipfError 'not-found' where it or a file of it is missing.
 */
export function findPyodide(folder?: string): HostFolders {
  const host = hostFolder();
  const require = createRequire(import.meta.url);
  const advice = `Run \`npm ci\` (or \`npm install pyodide@${PYODIDE_VERSION}\`).`;
  let pyodide = folder;
  try {
    pyodide ??= dirname(require.resolve('pyodide/package.json'));
  } catch (cause) {
    throw new SipfError('not-found', `Expected the package pyodide ${PYODIDE_VERSION}, got none. ${advice}`, { cause });
  }
  const missing = ['package.json', ...PYODIDE_FILES].find((name) => !existsSync(join(pyodide, name)));
  if (missing) throw new SipfError('not-found', `Expected ${missing} in ${pyodide}, got no such file. ${advice}`);
  const version = versionIn(join(pyodide, 'package.json'));
  if (version !== PYODIDE_VERSION) {
    throw new SipfError('unsupported', `Expected pyodide ${PYODIDE_VERSION} in ${pyodide}, got ${version}. ${advice}`);
  }
  if (!existsSync(join(host, 'host', 'main.js'))) {
    throw new SipfError('not-found', `Expected the compiled sandbox in ${host}, got none. Run \`npm run build\`.`);
  }
  return { host, pyodide };
}

function versionIn(file: string): unknown {
  try {
    return (JSON.parse(readFileSync(file, 'utf8')) as { version?: unknown }).version;
  } catch {
    return 'an unreadable package.json';
  }
}

/** Prefixes that leave the caller's network, rights and files behind; tried on `true`, since kernels and containers differ. */
const PREFIXES: readonly { args: readonly string[]; wall: string; without: string }[] = [
  {
    args: ['unshare', '--map-root-user', '--net', '--'],
    wall: 'an empty network namespace',
    without: 'no empty network namespace (unshare is not here, or the kernel refuses it)',
  },
  {
    args: ['setpriv', '--pdeathsig', 'KILL', '--no-new-privs', '--bounding-set=-all', '--inh-caps=-all', '--'],
    wall: 'no capabilities, no new privileges, an end with its parent',
    without: 'no dropped capabilities (setpriv is not here, or the kernel refuses it)',
  },
  {
    args: ['prlimit', '--core=0:0', '--fsize=0:0', '--'],
    wall: 'no core dumps, no growing files',
    without: 'no limits on files (prlimit is not here)',
  },
];

/** The command that starts the host. */
export function hostCommand(
  folders: HostFolders,
  limits: Pick<HostConfig, 'memoryBytes' | 'outputBytes'>,
): HostCommand {
  const walls: string[] = [];
  const prefix: string[] = [];
  for (const { args, wall, without } of PREFIXES) {
    const [program = '', ...rest] = [...prefix, ...args, 'true'];
    const holds = spawnSync(program, rest, { stdio: 'ignore', timeout: 5000 }).status === 0;
    if (holds) prefix.push(...args);
    walls.push(holds ? wall : without);
  }
  const permission = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission';
  const { host, pyodide } = folders;
  const readable = [join(host, 'host/'), join(host, 'python/'), join(pyodide, '/')];
  const config: HostConfig = { pyodide, python: join(host, 'python'), ...limits };
  const node = [
    process.execPath,
    '--no-warnings',
    permission,
    ...readable.map((path) => `--allow-fs-read=${path}`),
    '--disallow-code-generation-from-strings',
    '--stack-size=3900',
    join(host, 'host', 'main.js'),
    JSON.stringify(config),
  ];
  const [program = process.execPath, ...args] = [...prefix, ...node];
  return { program, args, walls: [`${permission.slice(2)} flags: reads its own files only`, ...walls] };
}
