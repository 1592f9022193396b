// /tokenize, /detokenize and /tokenizer_info, as vLLM has them.
import { ApiError } from '../http/api-error.ts';
import { bodyAs } from '../http/body.ts';
import type { Endpoint } from './exchange.ts';
import { chatIds, checkSize, promptIds } from './prompts.ts';
import { DetokenizeRequest, TokenizeRequest } from './requests.ts';

export const tokenize: Endpoint = async ({ body, lease }) => {
  const request = bodyAs(TokenizeRequest, body);
  const { policy } = lease(request.model);
  const [ids = []] =
    'messages' in request
      ? [await chatIds(request.messages, policy)]
      : await promptIds([request.prompt], policy, { special: request.add_special_tokens });
  const strings = request.return_token_strs ? await policy.decode(ids.map((id) => [id])) : null;
  return { json: { count: ids.length, max_model_len: policy.contextLength, tokens: ids, token_strs: strings } };
};

export const detokenize: Endpoint = async ({ body, lease }) => {
  const { model, tokens } = bodyAs(DetokenizeRequest, body);
  const { policy } = lease(model);
  checkSize(tokens, policy);
  const { size } = await policy.vocabulary();
  const bad = tokens.find((id) => id >= size);
  if (bad !== undefined) throw new ApiError(400, `Expected token ids below ${size}, got ${bad}. Correct tokens.`);
  const [prompt = ''] = await policy.decode([tokens]);
  return { json: { prompt } };
};

export const tokenizerInfo: Endpoint = async ({ lease }) => {
  const { policy } = lease(null);
  const vocabulary = await policy.vocabulary();
  return {
    json: {
      vocab_size: vocabulary.size,
      model_max_length: policy.contextLength,
      bos_token: vocabulary.bos,
      eos_token: vocabulary.eos,
      pad_token: vocabulary.pad,
      add_bos_token: vocabulary.leading.length > 0,
      chat_template: vocabulary.chatTemplate,
    },
  };
};
