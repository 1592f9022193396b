// A record in EvalPlus's own form -> tests that compare a program with the reference solution.
// Not read: EvalPlus's contracts, and problems whose outputs it compares in special ways.
import { jsonText, numberText } from '../../io/exact-json.ts';
import type { CodeTests } from '../../records.ts';
import type { DataRecord } from '../data/data-files.ts';

/** It has inputs for the canonical solution. */
export function isEvalPlus(value: DataRecord['value']): boolean {
  return Array.isArray(value.base_input) && value.canonical_solution !== undefined && value.entry_point !== undefined;
}

interface Reference {
  readonly entryPoint: string;
  /** The whole reference program. */
  readonly reference: string;
}

/** Floats are equal within this where the record names no tolerance, as EvalPlus has it. */
const FLOAT_TOLERANCE = 1e-6;

/**
 * Two tests, of the base inputs and of the added ones. Expected outputs come from the reference, which runs under a name of its own. Inputs are
 * read by Python from the record's JSON, so that whole numbers of any size and `1.0` stay what they are.
 */
export function evalPlusTests({ value }: DataRecord, { entryPoint, reference }: Reference): CodeTests {
  const json = jsonText({ base_input: value.base_input, plus_input: value.plus_input });
  const atol = Number(numberText(value.atol) ?? 0);
  const tolerance = atol > 0 ? atol : FLOAT_TOLERANCE;
  // Not a setup: that runs where the program runs, too, and would show it the reference.
  const compare = compareWith({ json, reference, entryPoint, tolerance });
  const test = (field: string): string => `${compare}_sipf_compare(${entryPoint}, ${JSON.stringify(field)})`;
  const hasMore = Array.isArray(value.plus_input) && value.plus_input.length > 0;
  return { setup: '', cases: [test('base_input'), ...(hasMore ? [test('plus_input')] : [])], entryPoint };
}

interface Comparison extends Reference {
  readonly json: string;
  readonly tolerance: number;
}

/** A JSON text in quotes is a Python string literal, too. */
function compareWith({ json, reference, entryPoint, tolerance }: Comparison): string {
  return `def _sipf_compare(candidate, field):
    import copy, json, math
    space = {"__name__": "reference"}
    exec(${JSON.stringify(reference)}, space)
    def same(a, b):
        if isinstance(a, float) or isinstance(b, float):
            try:
                return a == b or math.isclose(a, b, rel_tol=1e-7, abs_tol=${tolerance}) or (a != a and b != b)
            except TypeError:
                return False
        if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
            return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
        if isinstance(a, dict) and isinstance(b, dict):
            return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
        return a == b
    for inputs in json.loads(${JSON.stringify(json)})[field]:
        expected = space[${JSON.stringify(entryPoint)}](*copy.deepcopy(inputs))
        got = candidate(*copy.deepcopy(inputs))
        assert same(got, expected), f"{inputs!r:.80}: expected {expected!r:.40}, got {got!r:.40}"
`;
}
