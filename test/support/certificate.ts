import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

/** A self-signed certificate and its private key, both in PEM. */
export interface TestCertificate {
  certificate: string;
  privateKey: string;
  /** As Entra lists it. */
  thumbprint: string;
}

/** Makes one in the form of X.509 version 1 (RFC 5280), which is all that a signature of an assertion needs. */
export function makeCertificate({
  validFrom = new Date('2020-01-01T00:00:00Z'),
  validTo = new Date('2049-01-01T00:00:00Z'),
  bits = 2048,
  curve,
}: {
  validFrom?: Date;
  validTo?: Date;
  bits?: number;
  /** An elliptic curve in place of RSA. */
  curve?: string;
} = {}): TestCertificate {
  const pair = curve === undefined ? rsaPair(bits) : ellipticPair(curve);
  const algorithm =
    curve === undefined
      ? sequence(oid('2a864886f70d01010b'), element(0x05)) // sha256WithRSAEncryption
      : sequence(oid('2a8648ce3d040302')); // ecdsa-with-SHA256
  const name = sequence(element(0x31, sequence(oid('550403'), element(0x0c, Buffer.from('Deskgraph test')))));
  const body = sequence(
    element(0x02, Buffer.concat([Buffer.from([0x01]), randomBytes(8)])),
    algorithm,
    name,
    sequence(time(validFrom), time(validTo)),
    name,
    pair.publicKey.export({ type: 'spki', format: 'der' }),
  );
  const signature = sign('sha256', body, pair.privateKey);
  const der = sequence(body, algorithm, element(0x03, Buffer.from([0]), signature));
  return {
    certificate: pem('CERTIFICATE', der),
    privateKey: pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    thumbprint: createHash('sha1').update(der).digest('hex').toUpperCase(),
  };
}

interface KeyPair {
  publicKey: KeyObject;
  privateKey: KeyObject;
}

const rsaPair = (bits: number): KeyPair => generateKeyPairSync('rsa', { modulusLength: bits });
const ellipticPair = (namedCurve: string): KeyPair => generateKeyPairSync('ec', { namedCurve });

/** An element in DER (X.690): tag, length, content. */
function element(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const header =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...header]), content]);
}

const sequence = (...parts: Buffer[]) => element(0x30, ...parts);
const oid = (hex: string) => element(0x06, Buffer.from(hex, 'hex'));

/** UTCTime: the years 1950 to 2049. */
function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/\D/g, '').slice(2, 14);
  return element(0x17, Buffer.from(`${digits}Z`));
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}
