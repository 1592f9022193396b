// A folder that holds an adapter alone -> the base that it was trained on, with the adapter.
import { join, resolve } from 'node:path';
import type { CacheOptions } from '../../io/cache.ts';
import { exists } from '../../io/file-bytes.ts';
import { hubName } from '../../io/hub-name.ts';
import type { ModelSource } from '../../records.ts';
import { addressBelow, isStorageAddress } from '../../storage/address.ts';
import { readAdapter } from './adapter-files.ts';
import { resolveAdapter } from './model-source.ts';

/**
 * An adapter's folder given as a model opens with its base: `base_model_name_or_path` as a path from that folder (as `sipf` writes it) or
 * from the working directory (as PEFT reads it), else as a hub id or an address in a storage. Anything else comes back as it is.
 * @throws SipfError where the adapter's configuration is missing or not supported, and of a download.
 */
export async function withBase(source: ModelSource, options: CacheOptions = {}): Promise<ModelSource> {
  const { model, adapter } = source;
  if (adapter !== undefined) return source;
  const folder = await resolveAdapter(model, options);
  if (!(await isAdapterFolder(folder))) return source;
  const { baseModel } = await readAdapter(folder);
  if (baseModel === null || baseModel === '') return source;
  if (isStorageAddress(baseModel)) return { model: baseModel, adapter: model };
  if (isStorageAddress(model))
    return { model: baseModel.startsWith('.') ? addressBelow(model, baseModel) : baseModel, adapter: model };
  for (const path of [resolve(model, baseModel), resolve(baseModel)]) {
    if (await exists(path)) return { model: path, adapter: model };
  }
  // A path that leads nowhere is no hub id: opening the folder itself says what is missing.
  return hubName(baseModel) !== null ? { model: baseModel, adapter: model } : source;
}

async function isAdapterFolder(path: string): Promise<boolean> {
  return (await exists(join(path, 'adapter_config.json'))) && !(await exists(join(path, 'config.json')));
}
