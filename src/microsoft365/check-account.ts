import { NotFoundError } from '../errors.ts';
import { type Clock, SECOND } from '../platform/clock.ts';
import { type Database, forkFor } from '../platform/database.ts';
import type { Logger } from '../platform/logger.ts';
import { recordEvents } from '../realtime/record.ts';
import type { AccessToken, AccessTokens, AccountReference } from './access-token.ts';
import { Account } from './account.entity.ts';
import { noteAccountSignal } from './account-status.ts';
import type { OnConnected } from './complete-sign-in.ts';
import { GraphError } from './graph-error.ts';
import type { GraphTransport } from './graph-transport.ts';
import { type Profile, ProfileError, readProfile } from './profile.ts';
import { lockTokens } from './token-lock.ts';

/** How long the whole check may take: somebody waits for it. */
const CHECK_MILLISECONDS = 30 * SECOND;

export interface CheckAccountDeps {
  database: Database;
  clock: Clock;
  logger: Logger;
  tokens: AccessTokens;
  transport: GraphTransport;
  /** Runs in a transaction of its own once an account can act that could not before. */
  onHealed?: OnConnected;
}

/** What a check found. */
export interface CheckedAccount {
  account: Account;
  /** The address that it had before; another one than it has now when it was renamed at Microsoft. */
  previousAddress: string;
  /** What stands in the way; null when token and profile are there. */
  error: GraphError | null;
}

/**
 * Asks Microsoft whether an account works: for a new token whatever is stored, and for the profile, whose name and address
 * are taken over. The account's status says afterwards what came of it. Throws `NotFoundError`, and `GraphError`
 * `ACCOUNT_DISCONNECTED` for an account that has no tokens.
 */
export async function checkAccount(
  deps: CheckAccountDeps,
  reference: AccountReference,
): Promise<CheckedAccount> {
  const { database, tokens } = deps;
  const { organizationId, accountId } = reference;
  const before = await forkFor(database, organizationId).findOne(Account, { id: accountId });
  if (!before) throw new NotFoundError('The account');
  const signal = AbortSignal.timeout(CHECK_MILLISECONDS);
  let error: GraphError | null = null;
  try {
    const token = await tokens.recheck(reference, signal);
    if (before.kind === 'USER') {
      await takeProfile(deps, reference, await profileOf(deps, reference, token));
      await noteAccountSignal(database, reference, { kind: 'REACHED' }, deps.clock.now());
    }
  } catch (thrown) {
    if (signal.aborted) error = new GraphError('GRAPH_TIMEOUT', 'Microsoft did not answer in time.');
    else if (thrown instanceof GraphError) error = thrown;
    else throw thrown;
    if (error.code === 'ACCOUNT_DISCONNECTED') throw error;
  }
  const account = await forkFor(database, organizationId).transactional(async (em) => {
    const checked = await em.findOneOrFail(Account, { id: accountId });
    if (checked.status === 'ACTIVE' && before.status !== 'ACTIVE') await deps.onHealed?.(em, checked);
    return checked;
  });
  return { account, previousAddress: before.emailAddress, error };
}

async function profileOf(
  { transport, tokens }: CheckAccountDeps,
  reference: AccountReference,
  token: AccessToken,
): Promise<Profile> {
  try {
    return await readProfile(transport, token.cloud, token.value);
  } catch (cause) {
    if (!(cause instanceof ProfileError)) throw cause;
    const { status, requestId } = cause;
    // A token that was issued a moment ago: nothing but a sign-in brings one that Graph takes.
    if (status === 401) await tokens.giveUp(reference, token.value, requestId);
    const code = status === 401 ? 'SIGN_IN_REQUIRED' : 'GRAPH_UNAVAILABLE';
    throw new GraphError(code, 'The profile of the account could not be read.', { status, requestId, cause });
  }
}

/** Takes over the name and the address that the account has at Microsoft now. */
async function takeProfile(
  { database }: CheckAccountDeps,
  { organizationId, accountId }: AccountReference,
  { displayName, emailAddress }: Profile,
): Promise<void> {
  await forkFor(database, organizationId).transactional(async (em) => {
    await lockTokens(em, accountId);
    const account = await em.findOne(Account, { id: accountId });
    if (!account || (account.displayName === displayName && account.emailAddress === emailAddress)) return;
    em.assign(account, { displayName, emailAddress });
    await em.flush();
    await recordEvents(em, organizationId, [{ type: 'account-status.changed', accountId }]);
  });
}
