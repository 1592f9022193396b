// A scalar loss -> its derivatives by tensors of the same graph, as further nodes (reverse mode).
import { add, after } from './build.ts';
import type { Graph, Node, Tensor } from './graph.ts';
import { GRADIENTS } from './ops/gradients.ts';

/**
 * Appends the backward pass of `loss` (shape []) to its graph, with copies of what the graph says to recompute.
 * @returns d loss / d t for each of `wrt`, of the same shape.
 * @throws Error naming the op that has no gradient rule, or the tensor that the loss does not depend on.
 * @example
 * const [dw] = gradients(reduceSum(mul(w, w)), [w]); // 2 w
 */
export function gradients(loss: Tensor, wrt: readonly Tensor[]): Tensor[] {
  if (loss.shape.length !== 0) throw new Error(`The loss must be a scalar, got [${loss.shape.join(', ')}]`);
  const graph = loss.graph;
  const needed = dependents(graph, wrt);
  const derivative = new Map<Tensor, Tensor>([[loss, graph.scalar(1)]]);
  const ends = new Map(graph.recomputed.map(({ first, end }) => [end - 1, first]));
  const nodes = [...graph.nodes];
  for (let at = nodes.length - 1; at >= 0; at--) {
    const first = ends.get(at);
    if (first === undefined) propagate(nodes[at] as Node, needed, derivative);
    else {
      recomputed(nodes.slice(first, at + 1), needed, derivative);
      at = first;
    }
  }
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

/**
 * The backward pass of `nodes` by copies of them, so that nothing of the originals is kept: the copies run when a derivative has reached them, and
 * what comes before waits until all derivatives by weights are there.
 */
function recomputed(nodes: readonly Node[], needed: Set<Tensor>, derivative: Map<Tensor, Tensor>): void {
  const { copies, delayed } = copiesOf(nodes, needed, derivative);
  for (const node of [...copies].reverse()) propagate(node, needed, derivative);
  const weights = new Set(nodes.flatMap(({ inputs }) => inputs).filter(({ producer }) => producer === null));
  const byWeights = [...weights].flatMap((weight) => derivative.get(weight) ?? []);
  for (const input of delayed) {
    const dx = derivative.get(input);
    if (dx && byWeights.length > 0) derivative.set(input, after(dx, byWeights));
  }
}

interface Copies {
  readonly copies: readonly Node[];
  /** What the nodes read of what was computed before, and derivatives pass through. */
  readonly delayed: readonly Tensor[];
}

/** The copies read what was computed before through `after`: else they would be the originals over again, and the runtime would merge them. */
function copiesOf(nodes: readonly Node[], needed: Set<Tensor>, derivative: Map<Tensor, Tensor>): Copies {
  const copies: Node[] = [];
  const delayed: Tensor[] = [];
  const copyOf = new Map<Tensor, Tensor>();
  const result = nodes.flatMap(({ outputs }) => outputs).find((output) => derivative.has(output));
  if (!result) return { copies, delayed };
  const { graph } = result;
  const signal = [derivative.get(result) as Tensor];
  const delay = (input: Tensor): void => {
    const late = after(input, signal);
    copies.push(late.producer as Node);
    needed.add(late);
    copyOf.set(input, late);
    delayed.push(input);
  };
  graph.scope('again/', () => {
    for (const { op, inputs, attributes, outputs } of nodes) {
      for (const input of inputs) {
        if (!copyOf.has(input) && input.producer !== null && needed.has(input)) delay(input);
      }
      const own = inputs.map((input) => copyOf.get(input) ?? input);
      const copy = graph.append(op, own, attributes, outputs);
      copies.push(copy);
      for (const [i, output] of outputs.entries()) {
        const again = copy.outputs[i] as Tensor;
        copyOf.set(output, again);
        if (needed.has(output)) needed.add(again);
        const reached = derivative.get(output);
        if (reached) derivative.set(again, reached);
      }
    }
  });
  return { copies, delayed };
}

function propagate(node: Node, needed: ReadonlySet<Tensor>, derivative: Map<Tensor, Tensor>): void {
  const [y, other] = node.outputs as readonly [Tensor, Tensor];
  const dy = derivative.get(y);
  if (!dy || !node.inputs.some((input) => needed.has(input))) return;
  if (node.outputs.slice(1).some((output) => derivative.has(output))) {
    throw new Error(`${node.op}: only its first output can be differentiated`);
  }
  const rule = GRADIENTS[node.op];
  if (!rule) throw new Error(`${node.op}: no gradient rule. Add one to gradients.ts.`);
  const parts = rule({ dy, y, other, attributes: node.attributes }, ...node.inputs);
  node.inputs.forEach((input, index) => {
    const part = parts[index];
    if (!part || !needed.has(input)) return;
    const sum = derivative.get(input);
    derivative.set(input, sum ? add(sum, part) : part);
  });
}
