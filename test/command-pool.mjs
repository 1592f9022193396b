// Command lines of a build -> what each printed and its exit code, in processes that take many.
import { fork } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = join(dirname(fileURLToPath(import.meta.url)), 'command-server.mjs');

/** An idle process does not keep this one alive. */
function hold(server, act) {
  server[act]();
  server.channel?.[act]();
}

/** @param cli dist/cli/main.js of the build. @param env Of every process. */
export function openCommandPool({ cli, env }) {
  const idle = [];
  const all = [];

  function openServer() {
    const server = fork(program, [cli], { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    all.push(server);
    return server;
  }

  return {
    /** Runs `args` in the folder `cwd`; a process for each command that runs at the same time. */
    async run(args, cwd) {
      const server = idle.pop() ?? openServer();
      hold(server, 'ref');
      const result = await new Promise((resolve) => {
        const ended = (code, signal) => resolve({ stdout: '', stderr: 'The process ended.', code: code ?? 1, signal });
        server.once('exit', ended);
        server.once('message', (message) => {
          server.removeListener('exit', ended);
          resolve(message);
        });
        server.send({ args, cwd });
      });
      hold(server, 'unref');
      if (server.exitCode === null) idle.push(server);
      return result;
    },
    close() {
      for (const server of all) server.kill();
    },
  };
}
