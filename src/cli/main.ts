#!/usr/bin/env node
// The command line's words -> a command's results. Leaves exit codes to execute.ts and the commands to program.ts.
import { execute } from './execute.ts';
import { buildProgram } from './program.ts';

await execute('sipf', (terminal, argv) => buildProgram(terminal).parseAsync(argv, { from: 'user' }));
