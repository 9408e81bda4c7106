import type { Problem } from '../platform/problem.ts';
import type { Identity, IdentityKind, IdentityStatus } from './identity.entity.ts';

/** The most addresses of a mailbox that become identities; Exchange gives a mailbox some hundreds at most. */
export const MAX_IDENTITIES = 500;

/** The addresses of a mailbox as far as they are known, in lower case. */
export interface KnownAddresses {
  primary: string;
  /** Without the primary one; null: nobody may read them. */
  aliases: readonly string[] | null;
}

/** An identity as it was before. */
export type KnownIdentity = Pick<Identity, 'emailAddress' | 'kind' | 'status' | 'problem' | 'removedAt'>;

/** What an address becomes. */
export interface PlannedIdentity {
  emailAddress: string;
  kind: IdentityKind;
  status: IdentityStatus;
  problem: Problem | null;
  removedAt: Date | null;
}

/**
 * What the addresses of a mailbox make of its identities: new ones and changed ones, nothing that stays. Pure.
 *
 * An address that disappeared becomes `GONE`, never deleted, since sent mail names it; one that is back is `ACTIVE` again.
 * What Microsoft denied stays denied, and what an administrator removed stays removed, until somebody adds it again; only
 * the primary address is always there. Where the aliases may not be read, nothing is said about them; a former primary
 * address is mostly an alias then, which nobody knows before it is tried.
 */
export function planIdentities(
  known: readonly KnownIdentity[],
  { primary, aliases }: KnownAddresses,
  now: Date,
): PlannedIdentity[] {
  const byAddress = new Map(known.map((identity) => [identity.emailAddress, identity]));
  const others = [...new Set(aliases ?? [])].filter((address) => address !== primary).sort();
  const found = new Map<string, IdentityKind>([[primary, 'PRIMARY']]);
  for (const address of others) {
    if (byAddress.has(address) || byAddress.size + found.size < MAX_IDENTITIES) found.set(address, 'ALIAS');
  }
  const present = [...found].map(([emailAddress, kind]) => {
    const before = byAddress.get(emailAddress);
    return before ? stays(before, kind) : created(emailAddress, kind);
  });
  const absent = known
    .filter(({ emailAddress, kind }) => !found.has(emailAddress) && kind !== 'SEND_AS')
    .map((identity) => disappears(identity, aliases !== null, now));
  return [...present, ...absent].filter((planned) => {
    const before = byAddress.get(planned.emailAddress);
    return !before || !isSame(before, planned);
  });
}

function created(emailAddress: string, kind: IdentityKind): PlannedIdentity {
  return { emailAddress, kind, status: 'ACTIVE', problem: null, removedAt: null };
}

function stays(before: KnownIdentity, kind: IdentityKind): PlannedIdentity {
  const isDenied = before.status === 'DENIED';
  return {
    emailAddress: before.emailAddress,
    kind,
    status: isDenied ? 'DENIED' : 'ACTIVE',
    problem: isDenied ? (before.problem ?? null) : null,
    removedAt: kind === 'PRIMARY' ? null : (before.removedAt ?? null),
  };
}

function disappears(before: KnownIdentity, areKnown: boolean, now: Date): PlannedIdentity {
  const { emailAddress, status } = before;
  const rest = { emailAddress, kind: 'ALIAS' as const, removedAt: before.removedAt ?? null };
  if (areKnown && status === 'GONE') return { ...rest, status, problem: before.problem ?? null };
  if (areKnown) return { ...rest, status: 'GONE', problem: goneProblem(emailAddress, now) };
  const wasPrimary = before.kind === 'PRIMARY' && status === 'ACTIVE';
  return { ...rest, status: wasPrimary ? 'UNVERIFIED' : status, problem: before.problem ?? null };
}

function goneProblem(emailAddress: string, now: Date): Problem {
  return {
    code: 'IDENTITY_GONE',
    message: `The mailbox no longer has the address ${emailAddress}.`,
    remedy: `Give it back in the Exchange admin center (Recipients > Mailboxes > Manage email address types) and run refreshAccount; or, where ${emailAddress} belongs to somebody else now, add it with addSendAsAddress.`,
    since: now.toISOString(),
  };
}

function isSame(before: KnownIdentity, planned: PlannedIdentity): boolean {
  return (
    before.kind === planned.kind &&
    before.status === planned.status &&
    (before.removedAt ?? null) === planned.removedAt &&
    (before.problem ?? null) === planned.problem
  );
}
