// Scales of blocks -> the same as 8 bits each would have them: bitsandbytes' double quantisation.

/** Scales that share a scale of their own. */
const BLOCK = 256;

/**
 * What is left of scales that are quantised themselves: their mean, and the nearest of 256 numbers for each one's difference from it (Dettmers et
 * al. 2023, section 3). They are stored in float32 all the same: 0.4 bits a weight are not worth a second kernel.
 */
export function nestedScales(scales: Float32Array): Float32Array<ArrayBuffer> {
  const offset = Math.fround(scales.reduce((sum, scale) => sum + scale, 0) / scales.length);
  const centred = scales.map((scale) => scale - offset);
  const largest = Array.from({ length: Math.ceil(scales.length / BLOCK) }, (_, block) =>
    centred.subarray(block * BLOCK, (block + 1) * BLOCK).reduce((most, value) => Math.max(most, Math.abs(value)), 0),
  );
  return Float32Array.from(centred, (value, at) => {
    const unit = largest[Math.floor(at / BLOCK)] as number;
    return unit === 0 ? offset : Math.fround(unit * nearest(value / unit)) + offset;
  });
}

/** The numbers of 8 bits whose exponent takes as many bits as it needs (Dettmers 2016, bitsandbytes' dynamic map), ascending. */
const DYNAMIC = dynamicMap();

function dynamicMap(): Float32Array {
  const positive = Array.from({ length: 7 }, (_, exponent) => {
    const count = 2 ** exponent;
    const step = 0.9 / count;
    return Array.from({ length: count }, (_, n) => 10 ** (exponent - 6) * (0.1 + (n + 0.5) * step));
  }).flat();
  return Float32Array.from([...positive.map((value) => -value), 0, ...positive, 1]).sort();
}

function nearest(value: number): number {
  let [low, high] = [0, DYNAMIC.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if ((DYNAMIC[middle] as number) <= value) low = middle;
    else high = middle;
  }
  const [below, above] = [DYNAMIC[low] as number, DYNAMIC[high] as number];
  return value - below <= above - value ? below : above;
}
