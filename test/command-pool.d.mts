// The types of command-pool.mjs, which the oracle runs without a build.

interface CommandResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface CommandPool {
  run(args: readonly string[], cwd: string): Promise<CommandResult>;
  close(): void;
}

export function openCommandPool(options: {
  readonly cli: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}): CommandPool;
