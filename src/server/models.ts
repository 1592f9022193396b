// /v1/models, adapters that come and go as in vLLM, and step scores at /pooling.
import { bodyAs } from '../http/body.ts';
import type { Endpoint } from './exchange.ts';
import { checkSize } from './prompts.ts';
import { LoadRequest, PoolingRequest, UnloadRequest } from './requests.ts';

export const listModels: Endpoint = async ({ models, now }) => {
  const data = models.cards.map((card) => ({ ...card, object: 'model', created: now(), owned_by: 'sipf' }));
  return { json: { object: 'list', data } };
};

export const loadAdapter: Endpoint = async ({ body, models }) => {
  // First: a client learns by it whether adapters can be loaded at all.
  models.requireAdapterRoot();
  const { lora_name: name, lora_path: path } = bodyAs(LoadRequest, body);
  await models.load(name, path);
  return { text: `Success: LoRA adapter '${name}' added successfully.` };
};

export const unloadAdapter: Endpoint = async ({ body, models }) => {
  const { lora_name: name } = bodyAs(UnloadRequest, body);
  models.unload(name);
  return { text: `Success: LoRA adapter '${name}' removed successfully.` };
};

/** `data[i].data[j]`: P(step j of path i is correct), by the model of `hash`. */
export const pooling: Endpoint = async ({ body, models, signal, caller, now }) => {
  const { model, input } = bodyAs(PoolingRequest, body);
  const { name, prm } = models.scorer(model);
  // As it reads them: each piece on its own.
  const pieces = input.flatMap(({ prompt, steps }) => [prompt, ...steps]);
  for (const piece of pieces) checkSize(piece, prm);
  const scores = await prm.score(input, { signal });
  const counts = await prm.countTokens(pieces);
  const tokens = counts.reduce((sum, count) => sum + count, 0);
  return {
    json: {
      id: `pool-${caller}`,
      object: 'list',
      created: now(),
      model: name,
      hash: prm.hash,
      data: scores.map((data, index) => ({ index, object: 'pooling', data })),
      usage: { prompt_tokens: tokens, completion_tokens: 0, total_tokens: tokens },
    },
  };
};
