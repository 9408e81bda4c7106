import { once } from 'node:events';
import { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { graphApp } from './graph-app.ts';
import type { EmulatorState } from './state.ts';
import { loadState, saveState } from './state-file.ts';
import { OUTLOOK_LIMITS, type ThrottlingLimits } from './throttling.ts';
import { createWorld } from './world.ts';

/** How to start the emulator. */
export interface EmulatorOptions {
  /** TCP port; 0, the default, takes a free one. */
  port?: number;
  /** Address to listen on, `127.0.0.1` by default: the control API asks for no credentials. */
  host?: string;
  /** Keeps the state across restarts; without it everything is gone at the end. */
  stateFile?: string;
  /** What differs from Microsoft's limits. */
  throttling?: Partial<ThrottlingLimits>;
  /** Items per page when the client names no size; 10, as at Microsoft. */
  pageSize?: number;
  /** Every Graph and sign-in request takes at least this long. */
  latencyMs?: number;
}

/** A running emulator. */
export interface Emulator extends AsyncDisposable {
  /** Root of everything, such as `http://127.0.0.1:4010`; the control API is at `/_emulator` below it. */
  url: string;
  /** Stands for `https://graph.microsoft.com`. */
  graphUrl: string;
  /** Stands for `https://login.microsoftonline.com`. */
  loginUrl: string;
  state: EmulatorState;
  /** Stops listening, cuts the connections that are open, and saves the state when it has a file. */
  close(): Promise<void>;
}

/** How often a state with a file is saved while the emulator runs. */
const SAVE_INTERVAL_MS = 10_000;

/**
 * How long an idle connection is kept. After Node's five seconds it was closed under a request that was just being sent,
 * where a busy machine heard of the end too late; Microsoft keeps them for minutes.
 */
const KEEP_ALIVE_MS = 120_000;

/** Starts the emulator and waits until it listens. Throws when the port is taken or the state file is not usable. */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const { port = 0, host = '127.0.0.1', stateFile } = options;
  const loaded = stateFile === undefined ? null : await loadState(stateFile);
  const world = createWorld(
    {
      ...(options.pageSize === undefined ? {} : { pageSize: options.pageSize }),
      ...(options.latencyMs === undefined ? {} : { latencyMs: options.latencyMs }),
      limits: { ...OUTLOOK_LIMITS, ...options.throttling },
    },
    loaded ?? undefined,
  );
  const app = graphApp(world);
  const server = createAdaptorServer({ fetch: (request, env) => app.fetch(request, env), hostname: host });
  if (server instanceof Server) server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.listen(port, host);
  await once(server, 'listening'); // rejects on 'error', such as a port that is taken
  world.push.start();
  world.postOffice.round();

  const stopSaving = stateFile === undefined ? () => undefined : saveRegularly(world.state, stateFile);
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    if (server instanceof Server) server.closeAllConnections();
    await closed;
    await world.push.close();
    world.postOffice.close();
    await stopSaving();
    if (stateFile !== undefined) await saveState(world.state, stateFile);
  };
  const url = `http://${host.includes(':') ? `[${host}]` : host}:${portOf(server.address())}`;
  const closeOnce = (): Promise<void> => {
    closing ??= close();
    return closing;
  };
  return {
    url,
    graphUrl: url,
    loginUrl: url,
    state: world.state,
    close: closeOnce,
    [Symbol.asyncDispose]: closeOnce,
  };
}

/** Saves from time to time, never twice at once. Returns what stops it and waits for a save under way. */
function saveRegularly(state: EmulatorState, path: string): () => Promise<void> {
  let saving = Promise.resolve();
  const timer = setInterval(() => {
    // A save that fails is tried again by the next; the last one, at the end, throws.
    saving = saving.then(() => saveState(state, path)).catch(() => undefined);
  }, SAVE_INTERVAL_MS).unref();
  return async () => {
    clearInterval(timer);
    await saving;
  };
}

function portOf(address: AddressInfo | string | null): number {
  if (address === null || typeof address === 'string')
    throw new Error('The emulator listens on no TCP port.');
  return address.port;
}
