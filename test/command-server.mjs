// A build's main.js and command lines by message -> what each printed and its exit code.
// One process for all: to load the program takes longer than most commands.
import { pathToFileURL } from 'node:url';

const [, , cli] = process.argv;
const end = process.exit.bind(process);
let commands = 0;

process.on('disconnect', () => end(0));
process.on('message', async ({ args, cwd }) => {
  const result = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr']) {
    process[name].removeAllListeners('error');
    process[name].write = (text, ...more) => {
      result[name] += text;
      more.find((one) => typeof one === 'function')?.();
      return true;
    };
  }
  process.chdir(cwd);
  process.argv = [process.execPath, cli, ...args];
  process.exitCode = undefined;
  process.exit = (code) => {
    process.send({ ...result, code, signal: null });
    // The command ends here, as it would with its process.
    return new Promise(() => {});
  };
  commands += 1;
  // main.js runs again; what it imports is loaded once.
  await import(`${pathToFileURL(cli).href}?command=${commands}`);
});
