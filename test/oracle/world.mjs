// A build of the command line -> a folder in which it runs, and the hashes of what it writes there.
//
// What a hash leaves out, and nothing else (`normalised`):
// - events.jsonl and lock: times and process ids.
// - `inputs` of completion markers (done/*.json): they repeat the settings, and a new setting with a default would change every one. Outputs and results are kept.
// - config.json of a run: its `config` of all cases together is ONE line, labelled config; `versions` (package, Node.js, runtime) is dropped.
// - `config` in the output of `sipf show --json`.
// - times that commands print: `seconds` and `tokensPerSecond` in JSON, the last column of `sipf show`.
// - the folder itself and the path of the build, where output names them.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
// biome-ignore lint/correctness/useImportExtensions: the rule sees the file of types only.
import { openCommandPool } from '../command-pool.mjs';
import { writeData } from './data.mjs';

export const here = dirname(fileURLToPath(import.meta.url));

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** The module that makes the scripted backend, as the build has it. */
const ENGINE = 'engine.mjs';

/** Commands that run no model. */
const WITHOUT_MODELS = ['grade', 'pair', 'show', 'compare'];

function engineText(cli) {
  const backends = pathToFileURL(join(dirname(cli), '..', 'backends', 'index.js'));
  return `import { createScriptedBackend } from '${backends}';
import options from './scripted-model.mjs';

export default () => createScriptedBackend(options);
`;
}

/** @param cli dist/cli/main.js of the build. @param isScripted whether its models are the scripted one. */
export function openWorld({ cli, isScripted }) {
  const folder = mkdtempSync(join(tmpdir(), 'sipf-oracle-'));
  writeData(folder);
  cpSync(join(here, 'scripted-model.mjs'), join(folder, 'scripted-model.mjs'));
  writeFileSync(join(folder, ENGINE), engineText(cli));
  const home = join(folder, 'home');
  mkdirSync(home);
  const { PATH } = process.env;
  const base = {
    PATH,
    HOME: home,
    XDG_CACHE_HOME: join(home, 'cache'),
    HF_HUB_OFFLINE: '1',
    NO_COLOR: '1',
    TMPDIR: home,
  };

  const wordsOf = (args) =>
    isScripted && !WITHOUT_MODELS.includes(args[0]) ? [...args, '--engine.module', ENGINE] : args;

  /** A process of its own. */
  function start(args, { stdin = '', env = {} } = {}) {
    return new Promise((resolve, reject) => {
      const options = { cwd: folder, env: { ...base, ...env } };
      const child = spawn(process.execPath, [cli, ...wordsOf(args)], options);
      const result = { stdout: '', stderr: '' };
      for (const name of ['stdout', 'stderr'])
        child[name].setEncoding('utf8').on('data', (text) => {
          result[name] += text;
        });
      child.on('error', reject);
      child.on('close', (code, signal) => resolve({ ...result, code, signal }));
      child.stdin.on('error', () => undefined);
      child.stdin.end(stdin);
    });
  }

  const pool = openCommandPool({ cli, env: base });

  /** Runs `words` (split at spaces) and `more`, which must end well. */
  async function sipf(words, { more = [], ...options } = {}) {
    const args = [...words.split(' '), ...more];
    const own = !isScripted || options.stdin !== undefined;
    const result = own ? await start(args, options) : await pool.run(wordsOf(args), folder);
    if (result.code !== 0)
      throw new Error(
        `Expected sipf ${args.join(' ')} to end with 0, got ${result.code ?? result.signal}:\n${result.stderr}`,
      );
    return result.stdout;
  }

  /** As `sipf`, and keeps what it printed as a file of its case. */
  async function print(file, words, options) {
    const stdout = await sipf(words, options);
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    const timeless = stdout.replaceAll(/"(seconds|tokensPerSecond)":[\d.e+-]+/g, '"$1":"TIME"');
    writeFileSync(join(folder, file), timeless.replaceAll(cli, 'sipf').replaceAll(folder, 'FOLDER'));
  }

  /** Kills the command at its `every`-th piece of work, `most` times or until it ends well; then lets it end. */
  async function killed(words, every, most = 100) {
    for (let kills = 0; kills < most; kills += 1) {
      const { code, signal, stderr } = await start(words.split(' '), { env: { ORACLE_DIE_AT: String(every) } });
      if (code === 0 && kills > 0) return;
      if (signal !== 'SIGKILL')
        throw new Error(`Expected sipf ${words} to die at work ${every}, got ${code ?? signal}:\n${stderr}`);
    }
    await sipf(words);
  }

  return {
    folder,
    sipf,
    print,
    killed,
    read: (path) => readFileSync(join(folder, path), 'utf8'),
    write: (path, text) => writeFileSync(join(folder, path), text),
    /** Path within the case -> bytes as they are hashed, of every file of a case. `configs` gets the configurations. */
    artefacts: (name, configs = {}) => artefacts(join(folder, name), configs),
    close() {
      pool.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function artefacts(dir, configs) {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true });
  const found = {};
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath, entry.name);
    const bytes = normalised(path, configs);
    if (bytes !== null) found[relative(dir, path)] = bytes;
  }
  return found;
}

/** null: not hashed. */
function normalised(path, configs) {
  const name = basename(path);
  const folder = dirname(path);
  const isInRun = existsSync(join(folder, 'events.jsonl'));
  const json = () => JSON.parse(readFileSync(path, 'utf8'));
  if (name === 'events.jsonl' || name === 'lock') return null;
  if (name === 'config.json' && isInRun) {
    configs[path] = json().config;
    return null;
  }
  if (basename(folder) === 'done' && name.endsWith('.json')) {
    const { inputs: _inputs, ...marker } = json();
    return JSON.stringify(marker);
  }
  if (name === 'show.json') {
    const { config: _config, ...shown } = json();
    return JSON.stringify(shown);
  }
  if (name === 'show.txt')
    return readFileSync(path, 'utf8')
      .replaceAll(/ +(?:\d+h )?(?:\d+m )?\d+s$/gm, ' TIME')
      .replace(/\nMore: .*$/s, '\n');
  return readFileSync(path);
}
