// A bucket, by AWS's client -> what the program that stands for train.py does with it.
import { createWriteStream } from 'node:fs';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';

const client = new S3Client({ endpoint: process.env.AWS_ENDPOINT_URL_S3, region: 'us-east-1', forcePathStyle: true });

function parts(address) {
  const [Bucket, ...path] = address.slice('s3://'.length).split('/');
  return { Bucket, Key: path.join('/') };
}

async function keysBelow(address) {
  const { Bucket, Key } = parts(address);
  const keys = [];
  let ContinuationToken;
  do {
    const page = await client.send(new ListObjectsV2Command({ Bucket, Prefix: Key, ContinuationToken }));
    keys.push(...(page.Contents ?? []).map((entry) => entry.Key));
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken);
  return keys;
}

/** All files below an address, into a folder. */
export async function get(address, folder) {
  const { Bucket } = parts(address);
  for (const Key of await keysBelow(`${address}/`)) {
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
    await pipeline(Body, createWriteStream(join(folder, basename(Key))));
  }
}

export async function put(address, content) {
  await client.send(new PutObjectCommand({ ...parts(address), Body: content }));
}

export async function has(address) {
  return (await keysBelow(address)).length > 0;
}
