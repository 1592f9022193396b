// A scalar loss -> its derivatives by any tensors of the same graph, as further nodes (reverse mode). Rules are in gradients.ts.
import { add } from './build.ts';
import { GRADIENTS } from './gradients.ts';
import type { Graph, Node, Tensor } from './graph.ts';

/**
 * Appends the backward pass of `loss` (shape []) to its graph.
 * @returns d loss / d t for each of `wrt`, of the same shape.
 * @throws Error naming the op that has no gradient rule, or the tensor that the loss does not depend on.
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (loss.shape.length !== 0) throw new Error(`The loss must be a scalar, got [${loss.shape.join(', ')}]`);
  const graph = loss.graph;
  const needed = dependents(graph, wrt);
  const derivative = new Map<Tensor, Tensor>([[loss, graph.scalar(1)]]);
  for (const node of [...graph.nodes].reverse()) propagate(node, needed, derivative);
  return wrt.map((tensor) => {
    const result = derivative.get(tensor);
    if (!result) throw new Error(`The loss does not depend on ${tensor.name}`);
    return result;
  });
}

/** Every tensor computed from one of `roots` through numbers that have derivatives (no integers, no masks), and these themselves. */
function dependents(graph: Graph, roots: readonly Tensor[]): Set<Tensor> {
  const found = new Set(roots);
  for (const node of graph.nodes) {
    if (!node.inputs.some((input) => found.has(input))) continue;
    for (const output of node.outputs) if (output.dtype === 'float32') found.add(output);
  }
  return found;
}

function propagate(node: Node, needed: ReadonlySet<Tensor>, derivative: Map<Tensor, Tensor>): void {
  const dy = derivative.get(node.outputs[0] as Tensor);
  if (!dy || !node.inputs.some((input) => needed.has(input))) return;
  if (node.outputs.slice(1).some((output) => derivative.has(output))) {
    throw new Error(`${node.op}: only its first output can be differentiated`);
  }
  const rule = GRADIENTS[node.op];
  if (!rule) throw new Error(`${node.op}: no gradient rule. Add one to gradients.ts.`);
  const parts = rule(node, dy);
  node.inputs.forEach((input, index) => {
    const part = parts[index];
    if (!part || !needed.has(input)) return;
    const sum = derivative.get(input);
    derivative.set(input, sum ? add(sum, part) : part);
  });
}
