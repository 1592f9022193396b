// A model as people name it -> the repository on the hub that it is of, and a file there.
import { exists } from './file-bytes.ts';

/** What a name on the hub means: a model's folder, or one of its GGUF files. */
export interface HubName {
  /** `owner/name`. */
  readonly id: string;
  /** Path of a .gguf file in it; null: the model is a folder of safetensors. */
  readonly gguf: string | null;
}

const HUB_NAME = /^([A-Za-z0-9][\w.-]*\/[A-Za-z0-9][\w.-]*?)(?:\/((?:[\w-][\w.-]*\/)*[\w-][\w.-]*\.gguf))?$/;

/** `owner/name` or `owner/name/FILE.gguf`; null: the text is no name on the hub. */
export function hubName(text: string): HubName | null {
  const [, id, gguf = null] = HUB_NAME.exec(text) ?? [];
  return id === undefined || id.endsWith('.gguf') ? null : { id, gguf };
}

/** The id under which everybody finds a model's folder; null: it is a path here, or a GGUF file. */
export async function publicId(model: string): Promise<string | null> {
  const name = (await exists(model)) ? null : hubName(model);
  return name === null || name.gguf !== null ? null : name.id;
}
