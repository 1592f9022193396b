// A session in an empty home folder -> the files that the runtime's telemetry left there.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { probeProvider } from './probe.ts';
import { silent, TELEMETRY_SWITCH } from './telemetry.ts';

export interface TelemetryReport {
  /** What switches it, as sipf starts the runtime: `ORT_DISABLE_TELEMETRY=1`. */
  readonly setting: string;
  /** Names of the files that were left. */
  readonly files: readonly string[];
  /** Whether a session could be tried. */
  readonly ran: boolean;
}

/** What silences the runtime besides its switch: without it the report would be the same on a build machine, with or without sipf's switch. */
const ALSO_SILENT =
  /^(?:CI|TF_BUILD|GITHUB_ACTIONS|GITLAB_CI|CIRCLECI|TRAVIS|JENKINS_URL|CODEBUILD_BUILD_ID|BUILDKITE|TEAMCITY_VERSION|APPVEYOR|BITBUCKET_BUILD_NUMBER|SYSTEM_TEAMFOUNDATIONCOLLECTIONURI|ORT_RUNNING_UNIT_TESTS)$/;

/** Tries a small product on the CPU in a child process whose home, cache and temporary folders are empty. */
export async function telemetryReport(env: NodeJS.ProcessEnv = process.env): Promise<TelemetryReport> {
  const home = mkdtempSync(join(tmpdir(), 'sipf-telemetry-'));
  try {
    const kept = Object.entries(env).filter(([name]) => !ALSO_SILENT.test(name));
    const folders = { HOME: home, USERPROFILE: home, XDG_CACHE_HOME: home, TMPDIR: home, TEMP: home, TMP: home };
    const { available } = await probeProvider('cpu', { env: { ...Object.fromEntries(kept), ...folders } });
    const files = readdirSync(home, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    return {
      setting: `${TELEMETRY_SWITCH}=${silent(env)[TELEMETRY_SWITCH]}`,
      files: files.map(({ name }) => basename(name)).sort(),
      ran: available,
    };
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}
