// The first bytes of a file that should be another -> what it is and what to do instead.

export const SAVE_AGAIN =
  'Save the model again as safetensors (AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(OUT)).';

const PAGE = 'a web page (perhaps an error message of the download). Download the file again.';
const GGML = 'a GGML file, older than GGUF. Use a .gguf file of the model.';

/** First bytes -> what such a file is. */
const MAGIC: readonly (readonly [magic: string, what: string])[] = [
  ['version https://git-lfs', 'a Git LFS pointer, not the file itself. Run git lfs pull there, or download the file.'],
  ['# xet', 'a Xet pointer, not the file itself. Download the file.'],
  ['<!DOCTYPE', PAGE],
  ['<!doctype', PAGE],
  ['<html', PAGE],
  ['PK\x03\x04', `a file of PyTorch (a zip archive). ${SAVE_AGAIN}`],
  ['\x80\x02', `a pickle of PyTorch. ${SAVE_AGAIN}`],
  ['\x89HDF', `an HDF5 file of Keras. ${SAVE_AGAIN}`],
  ['GGUF', 'a GGUF file. Rename it to end with .gguf, and give the file itself as the model.'],
  ['tjgg', GGML],
  ['fmgg', GGML],
  ['lmgg', GGML],
];

/** What a file is that should be another, by its first bytes, and what to do; null: nothing known. */
export function foreignFile(bytes: Uint8Array): string | null {
  const head = Buffer.from(bytes.subarray(0, 32)).toString('latin1');
  return MAGIC.find(([magic]) => head.startsWith(magic))?.[1] ?? null;
}
