// Addresses of a storage: parts, what is below them, and texts that are none.
import { expect, it } from 'vitest';
import { addressBelow, isBelow, isStorageAddress, parseAddress } from './address.ts';

it('has a bucket and a path', () => {
  expect(parseAddress('s3://bucket/runs/first/')).toEqual({ bucket: 'bucket', path: 'runs/first' });
  expect(parseAddress('s3://bucket')).toEqual({ bucket: 'bucket', path: '' });
  expect([isStorageAddress('s3://bucket'), isStorageAddress('s3/bucket')]).toEqual([true, false]);
});

it.each(['s3://', 's3:///path', 's3://b', 's3://bucket//path', 's3://bucket/../path', 's3://bucket/a\nb'])(
  'refuses %j',
  (text) => {
    expect(() => parseAddress(text)).toThrow(/Expected an address such as s3:\/\/bucket\/path, got/);
  },
);

it('does not repeat keys that stand in an address', () => {
  expect(() => parseAddress('s3://KEY:hunter2@bucket/path')).toThrow(/^(?!.*hunter2).*AWS_SECRET_ACCESS_KEY/);
});

it('leads below an address, and up in it', () => {
  expect(addressBelow('s3://bucket/runs/', 'first', 'iteration-1/6-policy')).toBe(
    's3://bucket/runs/first/iteration-1/6-policy',
  );
  expect(addressBelow('s3://bucket/runs/first', '../second')).toBe('s3://bucket/runs/second');
  expect(() => addressBelow('s3://bucket/runs', '../../../model')).toThrow(/Correct it/);
});

it('tells what is below', () => {
  expect(isBelow('s3://bucket/runs/a', 's3://bucket/runs')).toBe(true);
  expect(isBelow('s3://bucket/runs', 's3://bucket')).toBe(true);
  for (const other of ['s3://bucket/runs', 's3://bucket/runs-2/a', 's3://other/runs/a', 's3://bucket'])
    expect(isBelow(other, 's3://bucket/runs'), other).toBe(false);
});
