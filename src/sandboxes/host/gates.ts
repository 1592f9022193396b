// WebAssembly imports -> the same behind a gate. Once it is closed, only listed ones work.
import { Buffer } from 'node:buffer';
import { frameOf } from './frames.ts';
import { Ended, type Imports, type WasmFunction } from './wasm.ts';

/** Error numbers as Emscripten's C library has them. */
const EBADF = 8;
const EIO = 29;
const ENOENT = 44;
const ENOSYS = 52;
const ENOTTY = 59;
const EPERM = 63;
const ERANGE = 68;
const EROFS = 69;

/** The file descriptor by which the tests' interpreter asks the code's. */
const ASK_FD = 1000;
const FIRST_OWN_FD = 3;
/** Beyond any flag that only reads: O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_APPEND, O_TMPFILE. */
const WRITING = 0o1 | 0o2 | 0o100 | 0o1000 | 0o2000 | 0o20000000;
const LIBRARY = '/lib/python3';

/** Reads only, and only of files that Pyodide's own standard library consists of; or works on the interpreter's own memory alone. */
const PASSED = new Set(
  `_PyEM_TrampolineCall_JS _PyEM_GetCountArgsPtr __call_sighandler _tzset_js _gmtime_js _localtime_js _mktime_js _timegm_js
  clock_res_get clock_time_get emscripten_get_now emscripten_date_now environ_get environ_sizes_get`.split(/\s+/),
);

/** Of one file descriptor, first argument: only those that the program opened through the gate. */
const BY_DESCRIPTOR = new Set(
  'fd_read fd_seek fd_pread fd_fdstat_get __syscall_fstat64 __syscall_getdents64 fd_close'.split(' '),
);

export interface GateLimits {
  /** Largest WebAssembly memory, bytes. */
  readonly memoryBytes: number;
  /** Largest output, bytes; more of it ends the program. */
  readonly outputBytes: number;
}

/** The only way out of one interpreter. */
export class Gates {
  readonly #limits: GateLimits;
  readonly #bytes: () => Buffer;
  readonly #answer: ((question: Buffer) => Buffer) | null;
  readonly #originals = new Map<string, WasmFunction>();
  readonly #open = new Set<number>();
  #closed = false;
  #written = 0;
  #random = 1;
  #question: Buffer[] = [];
  #reply = Buffer.alloc(0);
  #ended: Ended | null = null;

  /**
   * @param bytes the interpreter's memory as it is now.
   * @param answer answers what the interpreter asks; null: it may ask nothing.
   */
  constructor(limits: GateLimits, bytes: () => Buffer, answer: ((question: Buffer) => Buffer) | null) {
    this.#limits = limits;
    this.#bytes = bytes;
    this.#answer = answer;
  }

  /** Why the program cannot continue, once it cannot. */
  get ended(): Ended | null {
    return this.#ended;
  }

  /** The imports as WebAssembly gets them. */
  wrap(imports: Imports, names: readonly { module: string; name: string; kind: string }[]): Imports {
    const wrapped: Imports = {};
    for (const { module, name, kind } of names) {
      const value = imports[module]?.[name];
      const target = wrapped[module] ?? {};
      wrapped[module] = target;
      // What is no plain function (WebAssembly.Suspending, where an engine has it) could not be gated: Pyodide does without.
      const original = typeof value === 'function' ? (value as WasmFunction) : () => 0;
      target[name] = kind === 'function' ? this.gate(name, original) : value;
    }
    return wrapped;
  }

  gate(name: string, original: WasmFunction): WasmFunction {
    this.#originals.set(name, original);
    if (PASSED.has(name)) return original;
    const closed = this.#policy(name);
    return (...args) => {
      if (!this.#closed) return name === 'random_get' ? closed(...args) : original(...args);
      if (this.#ended) throw this.#ended;
      return closed(...args);
    };
  }

  close(): void {
    this.#closed = true;
  }

  /** Back to the state in which the gate was closed. */
  reset(): void {
    for (const fd of this.#open) this.#originals.get('fd_close')?.(fd);
    this.#open.clear();
    this.#written = 0;
    this.#random = 1;
    this.#question = [];
    this.#reply = Buffer.alloc(0);
  }

  /** Ends the program: nothing that the interpreter still does has an effect. */
  end(ended: Ended): never {
    this.#ended ??= ended;
    throw this.#ended;
  }

  #policy(name: string): WasmFunction {
    const original = this.#original(name);
    const own: Readonly<Record<string, WasmFunction>> = {
      fd_write: (fd, iovs, count, written) => this.#write(fd, iovs, count, written),
      fd_read: (fd, iovs, count, read) => this.#read(fd, iovs, count, read),
      fd_close: (fd) => (this.#open.delete(fd) ? original(fd) : EBADF),
      random_get: (pointer, length) => this.#fillRandom(pointer, length),
      emscripten_resize_heap: (size) => (size >>> 0 > this.#limits.memoryBytes ? 0 : original(size)),
      emscripten_get_heap_max: () => this.#limits.memoryBytes,
      __syscall_openat: (directory, path, flags, mode) => this.#openFile(directory, path, flags, mode),
      __syscall_stat64: (path, buffer) => (this.#isLibrary(path) ? original(path, buffer) : -ENOENT),
      __syscall_lstat64: (path, buffer) => (this.#isLibrary(path) ? original(path, buffer) : -ENOENT),
      __syscall_newfstatat: (at, path, buffer, flags) =>
        this.#isLibrary(path) ? original(at, path, buffer, flags) : -ENOENT,
      __syscall_getcwd: (buffer, size) => this.#root(buffer, size),
      can_run_sync_js: () => 0,
      __syscall_ioctl: () => -ENOTTY,
      __syscall_fcntl64: (fd, command) => (this.#open.has(fd) && command <= 3 && command > 0 ? 0 : -EBADF),
      _Py_CheckEmscriptenSignals_Helper: () => 0,
      _emscripten_system: () => -ENOSYS,
      getaddrinfo: () => -4,
      exit: (code) => this.end(new Ended('exit', `the program ended the interpreter with exit code ${code}`)),
      proc_exit: (code) => this.end(new Ended('exit', `the program ended the interpreter with exit code ${code}`)),
      _abort_js: () => this.end(new Ended('exception', 'the program aborted the interpreter')),
    };
    if (own[name]) return own[name];
    if (BY_DESCRIPTOR.has(name)) {
      const refused = name.startsWith('__') ? -EBADF : EBADF;
      return (fd, ...rest) => (this.#open.has(fd) ? original(fd, ...rest) : refused);
    }
    if (/^__syscall_(?:mkdir|mknod|unlink|rmdir|rename|symlink|link|truncate|ftruncate|chmod|chown|utimens)/.test(name))
      return () => -EROFS;
    if (name.startsWith('__syscall_')) return () => -EPERM;
    if (/^emscripten_(?:console_|out$|err$)/.test(name)) return () => 0;
    return () => this.end(new Ended('exception', `the program reached for the host (${name}): there is none`));
  }

  #original(name: string): WasmFunction {
    return (...args) => this.#originals.get(name)?.(...args) ?? 0;
  }

  #isLibrary(pointer: number): boolean {
    const bytes = this.#bytes();
    const end = bytes.indexOf(0, pointer >>> 0);
    const path = bytes.toString('latin1', pointer >>> 0, Math.min(end, (pointer >>> 0) + 4096));
    return path.startsWith(LIBRARY) && !path.includes('..');
  }

  /** The working directory is always the root. */
  #root(buffer: number, size: number): number {
    if (size >>> 0 < 2) return -ERANGE;
    this.#bytes().write('/\0', buffer >>> 0, 'latin1');
    return 2;
  }

  #openFile(directory: number, path: number, flags: number, mode: number): number {
    if (!this.#isLibrary(path)) return -ENOENT;
    if (flags & WRITING) return -EROFS;
    if (this.#open.size >= 64) return -EBADF;
    const fd = Number(this.#originals.get('__syscall_openat')?.(directory, path, flags, mode));
    if (fd >= FIRST_OWN_FD) this.#open.add(fd);
    return fd;
  }

  #pieces(iovs: number, count: number): Buffer[] {
    const bytes = this.#bytes();
    return Array.from({ length: count }, (_, index) => {
      const start = bytes.readUInt32LE((iovs >>> 0) + 8 * index);
      return bytes.subarray(start, start + bytes.readUInt32LE((iovs >>> 0) + 8 * index + 4));
    });
  }

  #write(fd: number, iovs: number, count: number, written: number): number {
    const pieces = this.#pieces(iovs, count);
    const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
    if (fd === ASK_FD && this.#answer) {
      this.#question.push(...pieces.map((piece) => Buffer.from(piece)));
    } else if (fd !== 1 && fd !== 2) {
      return EBADF;
    }
    if (fd !== ASK_FD) this.#written += length;
    if (this.#written > this.#limits.outputBytes) {
      this.end(new Ended('exception', `the program printed more than ${this.#limits.outputBytes} bytes`));
    }
    this.#bytes().writeUInt32LE(length, written >>> 0);
    return 0;
  }

  #read(fd: number, iovs: number, count: number, read: number): number {
    if (fd !== ASK_FD && this.#open.has(fd)) return Number(this.#originals.get('fd_read')?.(fd, iovs, count, read));
    let length = 0;
    if (fd === ASK_FD && this.#answer) {
      if (this.#question.length > 0) this.#reply = frameOf(this.#answered(Buffer.concat(this.#question)));
      this.#question = [];
      for (const piece of this.#pieces(iovs, count)) {
        const copied = this.#reply.copy(piece);
        this.#reply = this.#reply.subarray(copied);
        length += copied;
      }
    } else if (fd !== 0) {
      return EBADF;
    }
    this.#bytes().writeUInt32LE(length, read >>> 0);
    return 0;
  }

  #answered(question: Buffer): Buffer {
    try {
      return this.#answer?.(question) ?? Buffer.alloc(0);
    } catch (error) {
      return this.end(error instanceof Ended ? error : new Ended('exception', String(error)));
    }
  }

  /** The same numbers for every program: a verdict does not depend on chance. */
  #fillRandom(pointer: number, length: number): number {
    const bytes = this.#bytes();
    if ((pointer >>> 0) + length > bytes.length) return EIO;
    for (let index = 0; index < length; index++) {
      this.#random = (Math.imul(this.#random, 1664525) + 1013904223) >>> 0;
      bytes[(pointer >>> 0) + index] = this.#random >>> 24;
    }
    return 0;
  }
}
