import { DAY, HOUR, MINUTE } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import { Account } from './account.entity.ts';
import { Integration } from './integration.entity.ts';
import type { SetupCheck } from './setup-check.ts';

/** More integrations than an organization has; the list of checks has an end. */
const MOST_INTEGRATIONS = 100;
/** Tokens last for an hour or so: a credential that is in use is accepted far more often. */
const LONG_AGO = DAY;

/** What {@link checkCredential} goes by. */
export interface CredentialFacts {
  acceptedAt: Date | null;
  expiresAt: Date | null;
  isInUse: boolean;
  /** Why Microsoft last refused it, and what to do; null when it did not. */
  refusal: { message: string; remedy: string } | null;
}

/** Whether Microsoft takes the credential of each integration of the organization, as far as its use has shown. */
export async function checkCredentials(em: EntityManager, now: Date): Promise<SetupCheck[]> {
  const integrations = await em.find(
    Integration,
    {},
    { orderBy: { createdAt: 'asc', id: 'asc' }, limit: MOST_INTEGRATIONS },
  );
  const accounts = await em.find(
    Account,
    {
      integration: { $in: integrations.map(({ id }) => id) },
      status: { $in: ['ACTIVE', 'CREDENTIAL_EXPIRED'] },
    },
    { fields: ['integration', 'status', 'problem'], orderBy: { id: 'asc' }, limit: 100 * MOST_INTEGRATIONS },
  );
  const byIntegration = Map.groupBy(accounts, ({ integration }) => integration.id);
  return integrations.map((integration) => {
    const ofIt = byIntegration.get(integration.id) ?? [];
    const facts: CredentialFacts = {
      acceptedAt: integration.credentialAcceptedAt ?? null,
      expiresAt: integration.credentialExpiresAt ?? null,
      isInUse: ofIt.some(({ status }) => status === 'ACTIVE'),
      refusal: ofIt.find(({ status }) => status === 'CREDENTIAL_EXPIRED')?.problem ?? null,
    };
    return { name: 'CREDENTIAL_ACCEPTED', integration, ...checkCredential(facts, now) };
  });
}

/** What the facts come to. */
export function checkCredential(
  { acceptedAt, expiresAt, isInUse, refusal }: CredentialFacts,
  now: Date,
): Pick<SetupCheck, 'result' | 'cause' | 'remedy'> {
  const accepted =
    acceptedAt === null
      ? 'Microsoft has not been asked about the credential yet.'
      : `Microsoft last accepted the credential ${ago(now.getTime() - acceptedAt.getTime())}.`;
  if (refusal !== null) {
    return { result: 'FAILED', cause: `${refusal.message} ${accepted}`, remedy: refusal.remedy };
  }
  if (expiresAt !== null && expiresAt <= now) {
    return {
      result: 'FAILED',
      cause: `The credential has expired. ${accepted}`,
      remedy:
        'Make a new client secret or certificate in the app registration and enter it with rotateCredential.',
    };
  }
  if (acceptedAt === null) {
    return {
      result: 'UNKNOWN',
      cause: accepted,
      remedy: 'Nothing to do: the first sign-in shows whether it is right.',
    };
  }
  if (isInUse && now.getTime() - acceptedAt.getTime() > LONG_AGO) {
    return {
      result: 'WARNING',
      cause: `${accepted} An account is active, and nothing has asked for a token of it since.`,
      remedy:
        'Check that incoming mail is enabled for its mailboxes and that a process with the role worker runs.',
    };
  }
  return { result: 'PASSED', cause: accepted, remedy: null };
}

function ago(milliseconds: number): string {
  if (milliseconds < MINUTE) return 'less than a minute ago';
  const [unit, name] =
    milliseconds < HOUR
      ? ([MINUTE, 'minute'] as const)
      : milliseconds < 2 * DAY
        ? ([HOUR, 'hour'] as const)
        : ([DAY, 'day'] as const);
  const count = Math.floor(milliseconds / unit);
  return `${count} ${name}${count === 1 ? '' : 's'} ago`;
}
