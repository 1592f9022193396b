// A command line -> what the built program (or SIPF_TEST_CLI) printed, and its exit code.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
// biome-ignore lint/correctness/useImportExtensions: the rule sees the file of types only.
import { openCommandPool } from '../command-pool.mjs';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const main = process.env.SIPF_TEST_CLI ?? join(root, 'dist', 'cli', 'main.js');
/** It starts no process before the first command; they end with the test file's. */
const pool = openCommandPool({ cli: main, env: { ...process.env, NO_COLOR: '1' } });

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface CliOptions {
  readonly stdin?: string | Buffer;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Another program than the command line: the path of its file. */
  readonly program?: string;
  /** A module of test/e2e, or an absolute path, that makes the backend of commands that run models. */
  readonly engine?: string;
}

/** The module whose backend writes sums with slips. */
export const SCRIPTED = 'scripted-model.mjs';

const WITHOUT_MODELS = ['show', 'grade', 'doctor', 'pair', 'help'];

/** `args` with the option that names `engine`, where the command runs models. */
export function withEngine(args: readonly string[], engine: string = SCRIPTED): string[] {
  if (WITHOUT_MODELS.includes(args[0] ?? '') || args.includes('--help')) return [...args];
  return [...args, '--engine.module', resolve(root, 'test', 'e2e', engine)];
}

/** Builds dist where it is older than a source. */
export function buildCli(): void {
  if (process.env.SIPF_TEST_CLI !== undefined) return;
  const built = spawnSync(process.execPath, [join(root, 'scripts', 'build.mjs'), '--if-stale'], { encoding: 'utf8' });
  if (built.status !== 0) throw new Error(`The build failed:\n${built.stdout}${built.stderr}`);
}

/** Compiles a driver of bench/ or experiments/, and dist where it is older than a source. */
export function buildTool(driver: string): void {
  const tool = join(root, 'scripts', 'tool.mjs');
  const built = spawnSync(process.execPath, [tool, driver, '--help'], { encoding: 'utf8' });
  if (built.status !== 0) throw new Error(`The build failed:\n${built.stdout}${built.stderr}`);
}

/** Starts the program; the caller ends it. */
export function startCli(args: readonly string[], { env = {}, cwd, program, engine }: CliOptions = {}): ChildProcess {
  const words = engine === undefined ? args : withEngine(args, engine);
  return spawn(process.execPath, [program ?? main, ...words], { cwd, env: { ...process.env, NO_COLOR: '1', ...env } });
}

/**
 * As `runCli`, in a process that runs one command after the other: to load the program takes longer than most commands.
 * For commands whose process is not the point, and that run no model of the own engine.
 */
export async function askCli(
  args: readonly string[],
  { cwd = root, engine }: Pick<CliOptions, 'cwd' | 'engine'> = {},
): Promise<CliResult> {
  const { code, stdout, stderr } = await pool.run(engine === undefined ? args : withEngine(args, engine), cwd);
  return { code, stdout, stderr };
}

/** Runs the program to its end, in a process of its own. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = startCli(args, options);
    const result = { stdout: '', stderr: '' };
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      result.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      result.stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...result, code }));
    // A program that ends without reading its input closes the pipe.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.stdin ?? '');
  });
}
