#!/usr/bin/env node
// The command line's words -> a command's results.
import { execute } from './execute.ts';
import { buildProgram } from './program.ts';

await execute('sipf', (terminal, argv) => buildProgram(terminal).parseAsync(argv, { from: 'user' }));
