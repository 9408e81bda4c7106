import type { Context } from 'hono';
import type { Caller } from './caller.ts';
import type { DirectoryUser } from './directory-user.ts';
import { applicationMay, type ExchangeState } from './exchange.ts';
import { requireCaller } from './gate.ts';
import { GraphFault } from './graph-fault.ts';
import { ME } from './graph-path.ts';
import type { Mailbox } from './mailbox.ts';
import { type Preferences, readPreferences } from './prefer.ts';
import { findUser } from './state.ts';
import type { GraphEnv, World } from './world.ts';

/** What a call wants to do with a mailbox. */
export type MailNeed = 'read' | 'write' | 'send';

/** A mailbox that the caller may use as it needs. */
export interface OpenMailbox {
  mailbox: Mailbox;
  owner: DirectoryUser;
  caller: Caller;
  preferences: Preferences;
}

/** The permissions that allow each need, without `.Shared`, in lower case. */
const PERMISSIONS: Readonly<Record<MailNeed, readonly string[]>> = {
  read: ['mail.read', 'mail.readwrite', 'mail.readbasic', 'mail.readbasic.all'],
  write: ['mail.readwrite'],
  send: ['mail.send'],
};

/**
 * The mailbox that the path names, when the caller may use it: its own, one it has Full Access to (with a `.Shared`
 * permission), or as an application any of its tenant that Exchange does not keep it out of. In Microsoft's order: what
 * the token may do at all, whether there is a mailbox, and whether it lets this caller in.
 * Throws 401, 403 `ErrorAccessDenied`, 404 `ErrorInvalidUser`, or 404 `MailboxNotEnabledForRESTAPI`.
 */
export function openMailbox(c: Context<GraphEnv>, world: World, need: MailNeed): OpenMailbox {
  const caller = requireCaller(c);
  const owner = ownerOf(world, caller, c.req.param('user') ?? ME);
  if (caller.userId !== null && !holdsScope(caller, owner, need)) throw accessDenied();
  const mailbox = world.state.mailboxes.get(owner.id);
  if (owner.mailbox === null || mailbox === undefined) {
    throw new GraphFault(
      404,
      'MailboxNotEnabledForRESTAPI',
      'The mailbox is either inactive, soft-deleted, or is hosted on-premise.',
    );
  }
  if (caller.userId === null) {
    const answer = applicationMay(world.state.exchange, caller, owner, PERMISSIONS[need]);
    if (answer === 'BLOCKED') {
      throw accessDenied(
        'Access to OData is disabled: [RAOP] : Blocked by tenant configured AppOnly AccessPolicy settings.',
      );
    }
    if (answer === 'NO') throw accessDenied();
  } else if (!mayUse(world.state.exchange, caller, owner, need)) throw accessDenied();
  const preferences = readPreferences(c.req.header('prefer'));
  if (preferences.applied !== '') c.header('Preference-Applied', preferences.applied);
  return { mailbox, owner, caller, preferences };
}

function ownerOf(world: World, caller: Caller, user: string): DirectoryUser {
  if (user === ME && caller.userId === null) {
    throw new GraphFault(400, 'BadRequest', '/me request is only valid with delegated authentication flow.');
  }
  const owner = findUser(world.state, caller.tenantId, user === ME ? (caller.userId ?? '') : user);
  if (owner === undefined) {
    throw new GraphFault(404, 'ErrorInvalidUser', `The requested user '${user}' is invalid.`);
  }
  return owner;
}

/** Whether the token's permissions, and for delegated ones the rights in Exchange, allow the need. */
export function mayUse(
  exchange: ExchangeState,
  caller: Caller,
  owner: DirectoryUser,
  need: MailNeed,
): boolean {
  if (caller.userId === null) return applicationMay(exchange, caller, owner, PERMISSIONS[need]) === 'YES';
  const isOwnOrOpen = caller.userId === owner.id || owner.fullAccess.includes(caller.userId);
  return isOwnOrOpen && holdsScope(caller, owner, need);
}

/** Whether a person's token carries the permission, for mailboxes of others its `.Shared` form. */
function holdsScope(caller: Caller, owner: DirectoryUser, need: MailNeed): boolean {
  const allowed = PERMISSIONS[need];
  const scopes = caller.scopes.map((scope) => scope.toLowerCase());
  const shared = scopes.some(
    (scope) => scope.endsWith('.shared') && allowed.includes(scope.slice(0, -'.shared'.length)),
  );
  return shared || (caller.userId === owner.id && scopes.some((scope) => allowed.includes(scope)));
}

function accessDenied(message = 'Access is denied. Check credentials and try again.'): GraphFault {
  return new GraphFault(403, 'ErrorAccessDenied', message);
}
