import type { HttpBindings } from '@hono/node-server';
import type { Caller } from './caller.ts';
import { createFaultBoard, type FaultBoard } from './faults.ts';
import type { GraphFault, RequestIds } from './graph-fault.ts';
import { PostOffice } from './post-office.ts';
import { Push } from './push.ts';
import type { Quirks } from './quirks.ts';
import { createRandomness, type Randomness } from './randomness.ts';
import { createRequestCounter, type RequestCounter } from './requests.ts';
import { createState, type EmulatorState, findUserByAddress } from './state.ts';
import { createThrottle, OUTLOOK_LIMITS, type Throttle, type ThrottlingLimits } from './throttling.ts';
import type { UploadSession } from './upload-session.ts';

/** What can be set while the emulator runs. */
export interface Settings {
  /** Every Graph and sign-in request takes at least this long. */
  latencyMs: number;
  /** Items on a page when the client names no size. */
  pageSize: number;
  limits: ThrottlingLimits;
  /** Root of the links in answers; `null`: the one the request came to. */
  linkRoot: string | null;
}

/** The emulated world: what it remembers, and how it behaves. */
export interface World {
  state: EmulatorState;
  settings: Settings;
  faults: FaultBoard;
  requests: RequestCounter;
  throttle: Throttle;
  /** By user id; a mailbox that is not here behaves. */
  quirks: Map<string, Quirks>;
  /** Change notifications. */
  push: Push;
  /** Mail that is being sent. */
  postOffice: PostOffice;
  /** By session id. */
  uploads: Map<string, UploadSession>;
  /** What `probability` and the like throw their dice with. */
  randomness: Randomness;
}

/** Graph's own default. */
const DEFAULT_PAGE_SIZE = 10;

/** What routes find in their context. */
export interface GraphEnv {
  Bindings: Partial<HttpBindings> & {
    /** True for a request that came inside a `$batch`. */
    isBatchPart?: boolean;
  };
  Variables: {
    ids: RequestIds;
    /** The caller, or why there is none. */
    caller: Caller | GraphFault;
  };
}

/** A world around a state; without one, around the seed. */
export function createWorld(settings: Partial<Settings> = {}, state: EmulatorState = createState()): World {
  const whole: Settings = {
    latencyMs: 0,
    pageSize: DEFAULT_PAGE_SIZE,
    limits: { ...OUTLOOK_LIMITS },
    linkRoot: null,
    ...settings,
  };
  const randomness = createRandomness();
  return {
    state,
    settings: whole,
    faults: createFaultBoard((address) => findUserByAddress(state, address)?.id, randomness),
    requests: createRequestCounter(),
    throttle: createThrottle(whole.limits, state.clock),
    quirks: new Map(),
    push: new Push(state, randomness),
    postOffice: new PostOffice(state),
    uploads: new Map(),
    randomness,
  };
}
