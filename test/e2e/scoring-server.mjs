// PORT PRM LOG [MOST] -> a server of the scripted model in PRM; each path is a line of LOG.
import { appendFileSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { score } from './scripted-model.mjs';

const [port, prm, log, most] = process.argv.slice(2);
let asked = 0;
const { hash } = JSON.parse(readFileSync(join(prm, 'scripted.json'), 'utf8'));

async function answer(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const { input } = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  asked += 1;
  // A crash, which leaves requests without an answer.
  if (asked > Number(most)) process.exit(1);
  appendFileSync(log, `${JSON.stringify(input)}\n`);
  await new Promise((resolve) => setTimeout(resolve, 20));
  return { hash, data: [{ data: score(input) }] };
}

createServer(async (request, response) => {
  if (request.url !== '/pooling') return void response.writeHead(404).end();
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(await answer(request)));
}).listen(Number(port), '127.0.0.1');
