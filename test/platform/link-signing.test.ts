import { expect, test } from 'vitest';
import { createLinkSigner } from '../../src/platform/link-signing.ts';

const MINUTE = 60_000;
const key = (name: string, byte: number) => ({ name, key: Buffer.alloc(32, byte) });
const now = new Date('2026-11-21T12:10:00Z');
const at = (minutes: number) => new Date(now.getTime() + minutes * MINUTE);
const links = createLinkSigner([key('a', 1)]);

test('a signature holds for its subject and end, half an hour at least and an hour at most', () => {
  const { expiresAt, signature } = links.sign('one', now);
  expect(expiresAt).toEqual(new Date('2026-11-21T13:00:00Z'));
  expect(links.verify('one', expiresAt, signature, now)).toBe(true);
  expect(links.verify('one', expiresAt, signature, at(49))).toBe(true);
  expect(links.verify('one', expiresAt, signature, at(50))).toBe(false);
  expect(links.verify('two', expiresAt, signature, now)).toBe(false);
  expect(links.verify('one', at(55), signature, now)).toBe(false);
  expect(links.verify('one', new Date(Number.NaN), signature, now)).toBe(false);
  expect(links.verify('one', expiresAt, `${signature}x`, now)).toBe(false);
});

test('the same link is made again within half an hour, so that browsers keep the image', () => {
  expect(links.sign('one', now)).toEqual(links.sign('one', at(19)));
  expect(links.sign('one', now)).not.toEqual(links.sign('one', at(20)));
});

test('every key verifies, the first signs, and none signs nothing', () => {
  const { expiresAt, signature } = links.sign('one', now);
  const rotated = createLinkSigner([key('b', 2), key('a', 1)]);
  expect(rotated.verify('one', expiresAt, signature, now)).toBe(true);
  expect(rotated.sign('one', now).signature).not.toBe(signature);
  expect(createLinkSigner([key('b', 2)]).verify('one', expiresAt, signature, now)).toBe(false);
  expect(() => createLinkSigner([])).toThrow();
});
