import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { InvalidInputError } from '../errors.ts';

/** What Entra takes at least, and what nobody exceeds. In bits. */
const SHORTEST_KEY_BITS = 2_048;
/** A certificate with its chain, or a key of 16,384 bits, is shorter. */
const LONGEST_PEM = 32_768;

/** A certificate with its private key, whole and matching. */
export interface CertificatePair {
  /** The certificate alone, in PEM, without the chain that may have come with it. */
  certificate: string;
  /** PKCS #8 in PEM, not encrypted: a secret. */
  privateKey: string;
  expiresAt: Date;
}

/**
 * Checks a certificate and its private key, both in PEM. Entra takes RSA keys only for client assertions, see
 * https://learn.microsoft.com/entra/identity-platform/certificate-credentials. Throws `InvalidInputError` for `certificate` or
 * `privateKey`, which never repeats what was given.
 */
export function readCertificatePair(
  certificatePem: string,
  privateKeyPem: string,
  now: Date,
): CertificatePair {
  const certificate = parseCertificate(certificatePem);
  const key = parseKey(privateKeyPem);
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  if (asymmetricKeyType !== 'rsa' || (asymmetricKeyDetails?.modulusLength ?? 0) < SHORTEST_KEY_BITS) {
    throw new InvalidInputError(
      'certificate',
      `Microsoft Entra takes certificates with RSA keys of at least ${SHORTEST_KEY_BITS} bits.`,
      'Make one with `openssl req -x509 -newkey rsa:3072 -noenc -days 365 -keyout key.pem -out certificate.pem`.',
    );
  }
  if (!certificate.checkPrivateKey(key)) {
    throw new InvalidInputError(
      'privateKey',
      'The private key does not belong to the certificate.',
      'Give the key that was made together with this certificate.',
    );
  }
  const expiresAt = new Date(certificate.validTo);
  if (expiresAt.getTime() <= now.getTime()) {
    throw new InvalidInputError(
      'certificate',
      'The certificate has expired.',
      'Make a new certificate and upload it to the app registration.',
    );
  }
  if (new Date(certificate.validFrom).getTime() > now.getTime()) {
    throw new InvalidInputError(
      'certificate',
      'The certificate is not valid yet.',
      'Wait until it is, or check the clock of this server.',
    );
  }
  return {
    certificate: certificate.toString(),
    privateKey: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    expiresAt,
  };
}

/** The fingerprint that Entra lists as "Thumbprint": SHA-1, in capital hexadecimal digits. Throws for what is no certificate. */
export function thumbprintOf(certificate: string): string {
  return new X509Certificate(certificate).fingerprint.replaceAll(':', '');
}

/** The SHA-256 fingerprint in hexadecimal digits, which names the certificate in an assertion. Throws for what is no certificate. */
export function thumbprintSha256Of(certificate: string): string {
  return new X509Certificate(certificate).fingerprint256.replaceAll(':', '');
}

function parseCertificate(pem: string): X509Certificate {
  try {
    if (pem.length > LONGEST_PEM || !pem.includes('-----BEGIN CERTIFICATE-----')) throw new Error('no PEM');
    return new X509Certificate(pem.trim());
  } catch {
    throw new InvalidInputError(
      'certificate',
      'This is not a certificate in PEM.',
      'Give the text of the file that was uploaded to the app registration, with its BEGIN CERTIFICATE and END CERTIFICATE lines.',
    );
  }
}

function parseKey(pem: string): KeyObject {
  try {
    if (pem.length > LONGEST_PEM) throw new Error('too long');
    return createPrivateKey(pem.trim());
  } catch {
    // What OpenSSL says of it is left out: it may quote the text.
    throw new InvalidInputError(
      'privateKey',
      /ENCRYPTED/.test(pem.slice(0, 200))
        ? 'The private key is protected by a password.'
        : 'This is not a private key in PEM.',
      'Give the text of the key file without a password; `openssl pkey -in key.pem` takes a password away.',
    );
  }
}
