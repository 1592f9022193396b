// SIPF_TEST_MINIO -> a MinIO server on a free port with a data folder of its own, ended at the end.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';

/** The program; null: tests of it are skipped. It is built by `go install github.com/minio/minio@latest`. */
export const minioProgram = process.env.SIPF_TEST_MINIO ?? null;

const KEYS = { AWS_ACCESS_KEY_ID: 'sipf-test-user', AWS_SECRET_ACCESS_KEY: 'sipf-test-secret' };

export class MinioServer implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #folder: string;
  readonly port: number;

  private constructor(process: ChildProcess, folder: string, port: number) {
    this.#process = process;
    this.#folder = folder;
    this.port = port;
  }

  /** With one bucket of that name. */
  static async start(bucket: string): Promise<MinioServer> {
    const folder = await mkdtemp(join(tmpdir(), 'sipf-minio-'));
    const port = await freePort();
    const env = {
      ...process.env,
      MINIO_ROOT_USER: KEYS.AWS_ACCESS_KEY_ID,
      MINIO_ROOT_PASSWORD: KEYS.AWS_SECRET_ACCESS_KEY,
    };
    const words = ['server', folder, '--address', `127.0.0.1:${port}`, '--quiet'];
    const child = spawn(minioProgram ?? 'minio', words, { env, stdio: 'ignore' });
    const server = new MinioServer(child, folder, port);
    for (let tries = 0; !(await answers(port)); tries += 1) {
      if (tries === 600 || child.exitCode !== null) throw new Error(`MinIO did not start: ${child.exitCode}`);
      await wait(100);
    }
    const credentials = { accessKeyId: KEYS.AWS_ACCESS_KEY_ID, secretAccessKey: KEYS.AWS_SECRET_ACCESS_KEY };
    const endpoint = `http://127.0.0.1:${port}`;
    const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    client.destroy();
    return server;
  }

  /** What a process is told of it, or of a proxy before it. */
  env(port = this.port): Record<string, string> {
    return { ...KEYS, AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}` };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill('SIGKILL');
    if (this.#process.exitCode === null && this.#process.signalCode === null) await once(this.#process, 'close');
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Passes bytes on to a server, until one of its clients sends what matches: then it keeps that client's bytes for itself. */
export class HoldingProxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Resolves when something is held. */
  readonly held: Promise<void>;

  private constructor(server: Server, held: Promise<void>) {
    this.#server = server;
    this.held = held;
  }

  static async start(target: number, pattern: RegExp): Promise<HoldingProxy> {
    let reached = () => {};
    const held = new Promise<void>((resolve) => (reached = resolve));
    const server = createServer((client) => {
      const there = connect(target, '127.0.0.1');
      for (const socket of [client, there]) {
        proxy.#sockets.add(socket);
        socket.on('error', () => undefined).on('close', () => void [client.destroy(), there.destroy()]);
      }
      there.pipe(client);
      client.on('data', (chunk: Buffer) => {
        if (!pattern.test(chunk.toString('latin1'))) return void there.write(chunk);
        client.pause();
        reached();
      });
    });
    const proxy = new HoldingProxy(server, held);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((done) => this.#server.close(done));
  }
}

async function answers(port: number): Promise<boolean> {
  const url = `http://127.0.0.1:${port}/minio/health/live`;
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}
