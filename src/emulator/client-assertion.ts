import { constants, createHash, verify, X509Certificate } from 'node:crypto';
import { isLoginAddress } from './cloud-hosts.ts';
import { OAuthFault } from './oauth-fault.ts';

/** How far the clock of a client may be off. */
const CLOCK_SKEW_SECONDS = 5 * 60;
/** Signatures that Entra verifies; see the page on certificate credentials. */
const ALGORITHMS: Readonly<Record<string, { padding: number; saltLength?: number }>> = {
  PS256: { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
  RS256: { padding: constants.RSA_PKCS1_PADDING },
};

/** An assertion taken apart. Nothing in it is to be believed before its signature was verified. */
interface Assertion {
  header: Readonly<Record<string, unknown>>;
  claims: Readonly<Record<string, unknown>>;
  signed: Buffer;
  signature: Buffer;
}

/**
 * Checks an assertion that takes the place of a client secret (RFC 7523), as
 * https://learn.microsoft.com/entra/identity-platform/certificate-credentials describes it. `certificates` are those of the
 * app registration in PEM; `null`: nobody described them, and any well-formed assertion is taken. `nowSeconds` since 1970.
 *
 * @throws OAuthFault 700027 for a certificate that is not registered or has expired, a signature that is not its, or an
 * assertion about another app; 700024 outside of its time; 700023 for another audience.
 */
export function checkAssertion(
  appId: string,
  jwt: string,
  certificates: readonly string[] | null,
  nowSeconds: number,
): void {
  const assertion = readAssertion(jwt);
  const { claims } = assertion;
  if (claims['iss'] !== claims['sub'] || String(claims['sub']).toLowerCase() !== appId) {
    throw new OAuthFault(700027, 'Client assertion failed. Its iss and sub must be the client id.');
  }
  if (certificates !== null) checkSignature(appId, assertion, certificates, nowSeconds);
  const [notBefore, expiry] = [Number(claims['nbf'] ?? 0), Number(claims['exp'])];
  if (!(expiry > nowSeconds - CLOCK_SKEW_SECONDS && notBefore < nowSeconds + CLOCK_SKEW_SECONDS)) {
    throw new OAuthFault(
      700024,
      `Client assertion is not within its valid time range. Current time: ${iso(nowSeconds)}, assertion valid from ${iso(notBefore)}, expiry time of assertion ${iso(expiry)}.`,
    );
  }
  if (!isLoginAddress(String(claims['aud']))) {
    throw new OAuthFault(700023, 'Client assertion audience claim does not match Realm issuer.');
  }
}

function checkSignature(
  appId: string,
  { header, signed, signature }: Assertion,
  certificates: readonly string[],
  nowSeconds: number,
): void {
  const certificate = certificates
    .map((pem) => new X509Certificate(pem))
    .find(
      ({ raw }) =>
        header['x5t#S256'] === hash('sha256', raw) ||
        (header['x5t#S256'] === undefined && header['x5t'] === hash('sha1', raw)),
    );
  if (certificate === undefined) {
    throw new OAuthFault(
      700027,
      `The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found., Thumbprint of key used by client: '${String(header['x5t#S256'] ?? header['x5t'])}'] Application '${appId}'.`,
    );
  }
  if (Date.parse(certificate.validTo) / 1_000 <= nowSeconds) {
    throw new OAuthFault(
      700027,
      `The certificate with identifier used to sign the client assertion is expired on application. [Reason - The key used is expired., Found key 'Start=${certificate.validFrom}, End=${certificate.validTo}'] Application '${appId}'.`,
    );
  }
  const algorithm = ALGORITHMS[String(header['alg'])];
  const genuine =
    algorithm !== undefined &&
    verify('sha256', signed, { key: certificate.publicKey, ...algorithm }, signature);
  if (!genuine) {
    throw new OAuthFault(
      700027,
      'Client assertion failed signature validation. [Reason - The provided signature value did not match the expected signature value.]',
    );
  }
}

function readAssertion(jwt: string): Assertion {
  const [header = '', payload = '', signature = '', ...rest] = jwt.split('.');
  try {
    if (signature === '' || rest.length > 0) throw new Error('not three parts');
    return {
      header: readPart(header),
      claims: readPart(payload),
      signed: Buffer.from(`${header}.${payload}`),
      signature: Buffer.from(signature, 'base64url'),
    };
  } catch {
    throw new OAuthFault(700027, 'Client assertion failed: it is not a well-formed JSON Web Token.');
  }
}

function readPart(encoded: string): Record<string, unknown> {
  const value: unknown = JSON.parse(Buffer.from(encoded, 'base64url').toString('utf8'));
  if (typeof value !== 'object' || value === null) throw new Error('not an object');
  return { ...value };
}

function hash(algorithm: 'sha1' | 'sha256', bytes: Buffer): string {
  return createHash(algorithm).update(bytes).digest('base64url');
}

function iso(seconds: number): string {
  return Number.isFinite(seconds) ? new Date(seconds * 1_000).toISOString() : 'unknown';
}
