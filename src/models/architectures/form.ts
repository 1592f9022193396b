// The form of a family of models and a config.json of it -> its decoder.
import { add, gather, mul } from '../../engine/build.ts';
import type { Tensor } from '../../engine/graph.ts';
import type { Architecture, Decoder, DecoderConfig, ModelConfig } from './architecture.ts';
import { type AttentionOptions, attend, type QkNorm, softcapped } from './attention.ts';
import { ConfigReader } from './config-reader.ts';
import { type Block, type Mlp, type NormKind, within } from './layers.ts';
import { EMBEDDING, HEAD } from './output-head.ts';
import type { Parameters } from './parameters.ts';
import { inverseFrequencies, type RopeDefaults } from './rope.ts';
import { decoderSizes } from './sizes.ts';

/** What all models of a family have in common. */
export interface Form {
  readonly activation: Activation;
  readonly norm: NormKind;
  /** Module of the norm before the output head; default: model.norm. */
  readonly lastNorm?: string;
  readonly mlp: Mlp;
  readonly block: Block;
  /** Queries and keys have norms. */
  readonly qkNorm?: QkNorm['over'];
  /** Of each head where config.json does not say; default: hidden_size / num_attention_heads. */
  readonly headDim?: number;
  /** Whether the output head is the embedding where config.json does not say. */
  readonly tied: boolean;
  /** The embedding is multiplied by sqrt(hidden). */
  readonly scaledEmbedding?: boolean;
  /** The output head has a bias. */
  readonly biasedHead?: boolean;
  /** What holds of RoPE where config.json does not say. */
  readonly rope?: RopeDefaults;
  /** What else a configuration says. */
  own?(read: ConfigReader, sizes: Omit<DecoderConfig, 'ropes'>): OwnForm;
}

/** Of the MLP: its key and name in config.json, and what it computes. */
interface Activation {
  readonly key: string;
  readonly name: string;
  /** null in config.json says it as well. */
  readonly orNull?: boolean;
  readonly of: (x: Tensor) => Tensor;
}

/** What differs from model to model of one family. */
export interface OwnForm {
  /** How layer `n` attends, heads aside. */
  attention?(n: number): Partial<AttentionOptions>;
  readonly biasedMlp?: boolean;
  /** Default: one table, as inverseFrequencies reads it. */
  readonly ropes?: readonly Float32Array[];
  /** Soft-cap of the logits. */
  readonly softcap?: number | undefined;
}

/** @throws SipfError 'unsupported' or 'bad-input' naming `file` and its key. */
export function decoderOf({ form }: Architecture, json: ModelConfig, file = 'config.json'): Decoder {
  const { activation, block, mlp } = form;
  const read = new ConfigReader(json, file);
  read.expect(activation.key, activation.name, activation.orNull);
  const sizes = decoderSizes(read, form);
  const { attention: own, biasedMlp: biased = false, ropes, softcap } = form.own?.(read, sizes) ?? {};
  const config = { ...sizes, ropes: ropes ?? [inverseFrequencies(json, sizes.headDim, file, form.rope)] };
  const { intermediate, hidden, layers } = config;
  const norm = form.norm.of(config.epsilon);
  const usual = { ...sizes, qkNorm: form.qkNorm && { norm, over: form.qkNorm } };
  const attention = Array.from({ length: layers }, (_, n): AttentionOptions => ({ ...usual, ...own?.(n) }));
  return {
    config,
    attention,
    embed: (weights, ids) => {
      const rows = gather(weights.weight(EMBEDDING, [config.vocab, hidden]), ids);
      // In bfloat16 transformers rounds the scale to the weights' type; here, as there in float32, it is exact.
      return form.scaledEmbedding ? mul(rows, Math.sqrt(hidden)) : rows;
    },
    layer: (all, x, n, pass) => {
      const weights = within(all, `model.layers.${n}`);
      return block(x, {
        norm: (y, module) => norm(weights, y, module),
        attend: (y) => attend(within(weights, 'self_attn'), y, attention[n] as AttentionOptions, pass),
        mlp: (y) => mlp(within(weights, 'mlp'), y, { intermediate, activation: activation.of, biased }),
      });
    },
    finish: (weights, x) => norm(weights, x, form.lastNorm ?? 'model.norm'),
    logits: (weights, x) => softcapped(head(weights, x, config, form.biasedHead), softcap),
  };
}

function head(weights: Parameters, x: Tensor, { tied, vocab }: DecoderConfig, biased = false): Tensor {
  if (!tied) return weights.linear(x, HEAD, vocab, biased);
  const logits = weights.product(x, EMBEDDING, vocab);
  return biased ? add(logits, weights.weight(`${HEAD}.bias`, [vocab])) : logits;
}
