// A .safetensors.index.json file -> which file beside it holds each tensor.
import { printable, SipfError, shown } from '../../errors.ts';
import { readJsonObject } from '../../io/file-bytes.ts';

/**
 * Names of tensors -> names of the files that hold them.
 * @throws SipfError 'not-found' where there is no index, 'bad-input' where it is not one.
 */
export async function readShardIndex(file: string): Promise<ReadonlyMap<string, string>> {
  const { weight_map: weightMap } = await readJsonObject(file);
  if (weightMap === null || typeof weightMap !== 'object') {
    throw new SipfError(
      'bad-input',
      `Expected an object "weight_map" in ${file}, got ${typeof weightMap}. Restore the file.`,
    );
  }
  return new Map(Object.entries(weightMap).map(([name, shard]) => [name, checkedShard(file, name, shard)]));
}

function checkedShard(file: string, name: string, shard: unknown): string {
  if (typeof shard === 'string' && shard.length <= 255 && !/[\\/\p{Cc}]/u.test(shard)) return shard;
  throw new SipfError(
    'bad-input',
    `Expected a file name for ${printable(name)} in ${file}, got ${shown(shard)}. Restore the file.`,
  );
}
