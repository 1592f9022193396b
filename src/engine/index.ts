// The engine's public API: build a graph, differentiate it, compile it, run it.
export { gradients } from './backward.ts';
export * from './build.ts';
export type { Dim, Shape } from './dims.ts';
export { type DType, Graph, type Tensor } from './graph.ts';
export { Engine, type EngineOptions, type HostArray, type Program, type Provider } from './runtime/session.ts';
