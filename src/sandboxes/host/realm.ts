// Node's realm -> one that reaches no network, file, process or thread. The gate comes first.
import childProcess from 'node:child_process';
import cluster from 'node:cluster';
import dgram from 'node:dgram';
import dns from 'node:dns';
import { constants } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import inspector from 'node:inspector';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import tls from 'node:tls';
import workers from 'node:worker_threads';

/** Globals that reach beyond the process, or load code that does. */
const REACHING = 'fetch WebSocket EventSource XMLHttpRequest Request Response navigator BroadcastChannel'.split(' ');
const OF_PROCESS =
  'binding _linkedBinding dlopen kill mainModule send disconnect _kill _debugProcess _startProfilerIdleNotifier report getBuiltinModule'.split(
    ' ',
  );

function refuse(): never {
  throw new Error('The sandbox has no way out of its process.');
}

function refuseAll(target: object): void {
  for (const name of Object.getOwnPropertyNames(target)) {
    const property = Reflect.getOwnPropertyDescriptor(target, name);
    if (name === 'constructor' || typeof property?.value !== 'function' || !property.configurable) continue;
    Reflect.defineProperty(target, name, { value: refuse, configurable: false, writable: false });
  }
}

function drop(target: object, names: readonly string[]): void {
  for (const name of names) {
    if (!Reflect.deleteProperty(target, name) && name in target) {
      Reflect.defineProperty(target, name, { value: undefined, configurable: false, writable: false });
    }
  }
}

/** Before Python starts: no socket, lookup, request, child process, thread or inspector can be made any more. */
export function removeNetwork(): void {
  refuseAll(net.Socket.prototype);
  refuseAll(net.Server.prototype);
  refuseAll(dgram.Socket.prototype);
  refuseAll(dns.Resolver.prototype);
  const sockets = [net, tls, dgram, dns, dns.promises, http, https, http2];
  for (const module of [...sockets, childProcess, cluster, inspector, workers]) refuseAll(module);
  syncBuiltinESMExports();
  drop(globalThis, REACHING);
  drop(process, OF_PROCESS);
  // All that Emscripten asks of it, and nothing else: numbers.
  const binding = (name: string) => (name === 'constants' ? { fs: constants } : refuse());
  Reflect.defineProperty(process, 'binding', { value: binding, configurable: true });
}

/** After Python has started, before any program runs: the globals of the language are all that is left, and none of them makes code from text. */
export function emptyRealm(): void {
  drop(process, ['binding']);
  const language = new Set(
    `Object Function Array Number String Boolean Symbol BigInt Math JSON Reflect Proxy Map Set WeakMap WeakSet WeakRef Promise Error
    AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError ArrayBuffer SharedArrayBuffer DataView Atomics
    Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array Float32Array Float64Array BigInt64Array
    BigUint64Array Date RegExp Iterator FinalizationRegistry Infinity NaN undefined parseInt parseFloat isNaN isFinite globalThis`.split(
      /\s+/,
    ),
  );
  const makers = [() => {}, async () => {}, function* () {}, async function* () {}];
  for (const maker of makers) {
    Reflect.defineProperty(Object.getPrototypeOf(maker), 'constructor', { value: undefined, configurable: false });
  }
  // Emscripten's clock is all that Pyodide still looks up here.
  const { performance } = globalThis;
  const now = performance.now.bind(performance);
  drop(
    globalThis,
    Object.getOwnPropertyNames(globalThis).filter((name) => !language.has(name)),
  );
  Reflect.defineProperty(globalThis, 'performance', { value: Object.freeze({ now }), configurable: false });
}
