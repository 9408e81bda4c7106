import { readFile, rename, writeFile } from 'node:fs/promises';
import { deserialize, serialize } from 'node:v8';
import { createEmulatorClock } from './clock.ts';
import type { Tenant } from './directory-user.ts';
import type { Mailbox } from './mailbox.ts';
import { restoreSignInState, type SavedSignInState, saveSignInState } from './sign-in-state.ts';
import type { EmulatorState } from './state.ts';

/** Grows when the shape of the state changes; a file of another version is refused, not guessed at. */
const VERSION = 5;

interface SavedState {
  version: typeof VERSION;
  clockOffsetMilliseconds: number;
  tenants: Map<string, Tenant>;
  mailboxes: Map<string, Mailbox>;
  addresses: EmulatorState['addresses'];
  appSecrets: Map<string, string>;
  signIn: SavedSignInState;
  exchange: EmulatorState['exchange'];
  sending: EmulatorState['sending'];
  subscriptions: EmulatorState['subscriptions'];
  deltaGeneration: number;
}

/** Writes the whole state, in Node's own binary form; a crash while writing leaves the old file. */
export async function saveState(state: EmulatorState, path: string): Promise<void> {
  const saved: SavedState = {
    version: VERSION,
    clockOffsetMilliseconds: state.clock.offsetMilliseconds(),
    tenants: state.tenants,
    mailboxes: state.mailboxes,
    addresses: state.addresses,
    appSecrets: state.appSecrets,
    signIn: saveSignInState(state.signIn),
    exchange: state.exchange,
    sending: state.sending,
    subscriptions: state.subscriptions,
    deltaGeneration: state.deltaGeneration,
  };
  await writeFile(`${path}.new`, serialize(saved), { mode: 0o600 });
  await rename(`${path}.new`, path);
}

/** The state from a file; null when there is no file. Throws when the file is not one of this version. */
export async function loadState(path: string): Promise<EmulatorState | null> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
  const saved: unknown = readSerialized(bytes);
  if (!isSavedState(saved)) {
    throw new Error(
      `${path} is not a state file of this version of the emulator; move it away or name another.`,
    );
  }
  const { clockOffsetMilliseconds, version: _, signIn, ...rest } = saved;
  return { ...rest, clock: createEmulatorClock(clockOffsetMilliseconds), signIn: restoreSignInState(signIn) };
}

function readSerialized(bytes: Buffer): unknown {
  try {
    return deserialize(bytes);
  } catch {
    return undefined;
  }
}

function isSavedState(saved: unknown): saved is SavedState {
  return typeof saved === 'object' && saved !== null && 'version' in saved && saved.version === VERSION;
}
