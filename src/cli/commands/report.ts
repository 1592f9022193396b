import { Command } from 'commander';
export const reportCommand = () => new Command('report');
