import { validate as isUuid } from 'uuid';
import { InvalidInputError } from '../errors.ts';
import { readCertificatePair } from './certificate.ts';

/** Microsoft's secrets have 40 characters; what is much longer is something else that was pasted. */
const LONGEST_SECRET = 512;

/** How an app registration proves that it is itself. */
export type CredentialKind = 'CLIENT_SECRET' | 'CERTIFICATE';

/** An opened credential: for the moment of use. */
export type AppCredential =
  | { kind: 'CLIENT_SECRET'; clientSecret: string }
  /** Both in PEM. */
  | { kind: 'CERTIFICATE'; certificate: string; privateKey: string };

/** A credential as somebody enters it: one of the two, unchecked. */
export interface CredentialInput {
  clientSecret: string | null;
  certificate: { certificate: string; privateKey: string } | null;
  /** When the secret expires, as Microsoft shows it; null when nobody said. A certificate says it itself. */
  credentialExpiresAt: Date | null;
}

/** A credential whose form is right. Whether Microsoft takes it, `verify-registration.ts` finds out. */
export interface CheckedCredential {
  credential: AppCredential;
  expiresAt: Date | null;
}

/** Checks the form of a credential. Throws `InvalidInputError`, which never repeats what was given. */
export function checkCredential(input: CredentialInput, now: Date): CheckedCredential {
  const { clientSecret, certificate, credentialExpiresAt } = input;
  if (clientSecret !== null && certificate === null) {
    return {
      credential: { kind: 'CLIENT_SECRET', clientSecret: checkSecret(clientSecret) },
      expiresAt: checkExpiry(credentialExpiresAt, now),
    };
  }
  if (certificate !== null && clientSecret === null) {
    const { expiresAt, ...pair } = readCertificatePair(certificate.certificate, certificate.privateKey, now);
    return { credential: { kind: 'CERTIFICATE', ...pair }, expiresAt };
  }
  throw new InvalidInputError(
    'clientSecret',
    'A client secret or a certificate is needed, and not both.',
    'Give either clientSecret or certificate.',
  );
}

function checkSecret(text: string): string {
  const clientSecret = text.trim();
  // A secret's id looks like a UUID; it is what people paste most often instead of the value.
  if (clientSecret === '' || clientSecret.length > LONGEST_SECRET || isUuid(clientSecret)) {
    throw new InvalidInputError(
      'clientSecret',
      'The client secret is empty, too long, or the id of a secret.',
      'Copy the column "Value" of the client secret; it is shown only when the secret is made.',
    );
  }
  return clientSecret;
}

function checkExpiry(expiresAt: Date | null, now: Date): Date | null {
  if (expiresAt === null || expiresAt.getTime() > now.getTime()) return expiresAt;
  throw new InvalidInputError(
    'credentialExpiresAt',
    'The client secret would have expired already.',
    'Give the date of the column "Expires", or make a new client secret.',
  );
}
