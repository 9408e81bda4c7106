import { createPrivateKey, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { readCertificatePair, thumbprintOf } from '../../src/microsoft365/certificate.ts';
import { makeCertificate } from '../support/certificate.ts';

const now = new Date('2026-11-21T12:00:00Z');
const good = makeCertificate({ validTo: new Date('2027-05-01T00:00:00Z') });

test('a certificate and its key: the day it ends on, and the thumbprint as Entra lists it', () => {
  const pair = readCertificatePair(`${good.certificate}\n`, good.privateKey, now);
  expect(pair.expiresAt).toEqual(new Date('2027-05-01T00:00:00Z'));
  expect(thumbprintOf(pair.certificate)).toBe(good.thumbprint);
  expect(new X509Certificate(pair.certificate).raw).toEqual(new X509Certificate(good.certificate).raw);
});

test('of a chain the first certificate is the one', () => {
  const chain = good.certificate + makeCertificate().certificate;
  expect(readCertificatePair(chain, good.privateKey, now).certificate.trim()).toBe(good.certificate.trim());
});

describe('refuses', () => {
  const other = makeCertificate();
  const expired = makeCertificate({ validTo: new Date('2026-11-21T11:00:00Z') });
  const early = makeCertificate({ validFrom: new Date('2026-11-21T13:00:00Z') });
  const short = makeCertificate({ bits: 1024 });
  const elliptic = makeCertificate({ curve: 'prime256v1' });
  const locked = createPrivateKey(good.privateKey)
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'locked' })
    .toString();

  test.each([
    ['a key that is not its own', good.certificate, other.privateKey, 'privateKey', /belong/],
    ['one that has expired', expired.certificate, expired.privateKey, 'certificate', /expired/],
    ['one of tomorrow', early.certificate, early.privateKey, 'certificate', /not valid yet/],
    ['a key of 1,024 bits', short.certificate, short.privateKey, 'certificate', /2048/],
    [
      'elliptic curves, which Entra does not take',
      elliptic.certificate,
      elliptic.privateKey,
      'certificate',
      /RSA/,
    ],
    ['a key with a password', good.certificate, locked, 'privateKey', /password/],
    ['a key in place of the certificate', good.privateKey, good.privateKey, 'certificate', /PEM/],
    ['a certificate in place of the key', good.certificate, good.certificate, 'privateKey', /PEM/],
    ['nothing', '', '', 'certificate', /PEM/],
    ['far too much', good.certificate.repeat(100), good.privateKey, 'certificate', /PEM/],
  ])('%s', (_name, certificate, privateKey, field, message) => {
    expect(() => readCertificatePair(certificate, privateKey, now)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', field, message: expect.stringMatching(message) }),
    );
  });

  test('and repeats nothing of the key', () => {
    const broken = good.privateKey.replace(/\n[A-Za-z0-9+/]{8}/, '\nBROKENxx');
    try {
      readCertificatePair(good.certificate, broken, now);
      expect.unreachable();
    } catch (error) {
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toMatch(/BROKEN|PRIVATE KEY/);
    }
  });
});
