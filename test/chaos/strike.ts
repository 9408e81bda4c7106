import { control } from '../support/app.ts';
import type { Fleet } from './fleet.ts';
import type { Listener } from './listener.ts';
import type { Stage } from './organizations.ts';
import type { FaultAction } from './plan-faults.ts';

/** How the notification service behaves when nothing is wrong with it. */
const CALM_NOTIFICATIONS = {
  lossProbability: 0,
  duplicateProbability: 0,
  reorder: false,
  delayMs: 0,
  paused: false,
  handshake: 'normal',
};
/** So many of the newest mails of an inbox become unreadable at a time. */
const CORRUPT_MESSAGES = 3;

/** What faults are done to. */
export interface Target {
  fleet: Fleet;
  stage: Stage;
  listeners: readonly Listener[];
  /** Message-IDs of the mails that something answers. */
  answered: ReadonlySet<string>;
}

/**
 * Does what the fault says for so long as it says, and takes it back. Resolves when it is over, kills when the process is
 * ready again. `wait` ends early when the run is cut short.
 */
export async function strike(
  target: Target,
  action: FaultAction,
  wait: () => Promise<void>,
  milliseconds: number,
): Promise<void> {
  const { fleet, listeners } = target;
  const url = fleet.emulator.url;
  switch (action.kind) {
    case 'KILL':
      await Promise.all(action.processes.map((index) => fleet.members[index]?.kill(milliseconds)));
      return;
    case 'DATABASE':
      return fleet.postgres.restart({ immediate: action.immediate, downMilliseconds: milliseconds });
    case 'GRAPH': {
      const mailbox = action.mailbox === null ? {} : { mailbox: addressOf(target, action.mailbox) };
      const { id } = await control<{ id: string }>(url, 'faults', { ...action.fault, ...mailbox });
      await wait();
      await control(url, `faults/${id}`, undefined, 'DELETE');
      return;
    }
    case 'TOKENS':
      await control(url, 'tokens/expire', { address: addressOf(target, action.mailbox) });
      return;
    case 'DELTA_EXPIRED':
      await control(url, 'delta/expire', {});
      return;
    case 'NOTIFICATIONS':
      await control(url, 'push', action.settings);
      await wait();
      await control(url, 'push', CALM_NOTIFICATIONS);
      return;
    case 'SUBSCRIPTION_GONE':
      for (const id of await subscriptionsOf(target, action.mailbox)) {
        await control(url, `push/subscriptions/${id}`, undefined, 'DELETE');
      }
      return;
    case 'LIFECYCLE':
      for (const subscriptionId of await subscriptionsOf(target, action.mailbox)) {
        await control(url, 'push/lifecycle', { subscriptionId, event: action.event });
      }
      return;
    case 'QUIRKS': {
      const path = `mailboxes/${addressOf(target, action.mailbox)}/quirks`;
      const isCorrupting = 'corruptMessages' in action.quirks;
      const quirks = isCorrupting
        ? { corruptMessages: await newestOf(target, action.mailbox) }
        : action.quirks;
      await control(url, path, quirks, 'PUT');
      await wait();
      await control(url, path, {}, 'PUT');
      return;
    }
    case 'CUT':
      listeners.find(({ name }) => name === action.client)?.cut();
  }
}

/** What cannot happen twice at a time waits in one line; faults without a line happen beside each other. */
export function lineOf(action: FaultAction): string | null {
  if (action.kind === 'DATABASE' || action.kind === 'NOTIFICATIONS') return action.kind;
  if (action.kind === 'QUIRKS') return `QUIRKS ${action.mailbox}`;
  return null;
}

function addressOf({ stage }: Target, name: string): string {
  return stage.mailboxes.find((mailbox) => mailbox.name === name)?.address ?? name;
}

async function subscriptionsOf(target: Target, name: string): Promise<string[]> {
  const { url } = target.fleet.emulator;
  const { userId } = await control<{ userId: string }>(url, `mailboxes/${addressOf(target, name)}?top=0`);
  const { subscriptions } = await control<{ subscriptions: { id: string; mailboxUserId: string }[] }>(
    url,
    'push',
  );
  return subscriptions.filter(({ mailboxUserId }) => mailboxUserId === userId).map(({ id }) => id);
}

/**
 * Newest mails of the inbox, immutable ids, of those that nothing answers: an answer that is read while its original cannot
 * be opens a ticket of its own, as if the original were not there.
 */
async function newestOf(target: Target, name: string): Promise<string[]> {
  const path = `mailboxes/${addressOf(target, name)}?top=50`;
  const { folders } = await control<{
    folders: {
      wellKnownName: string | null;
      messages: { immutableId: string; internetMessageId: string }[];
    }[];
  }>(target.fleet.emulator.url, path);
  const inbox = folders.find(({ wellKnownName }) => wellKnownName === 'inbox')?.messages ?? [];
  return inbox
    .filter(({ internetMessageId }) => !target.answered.has(internetMessageId))
    .slice(0, CORRUPT_MESSAGES)
    .map(({ immutableId }) => immutableId);
}
