import { z } from 'zod';

const HOUR_MS = 60 * 60 * 1000;
const milliseconds = z.number().min(0).max(HOUR_MS);
const probability = z.number().min(0).max(1);

/** What `POST /_emulator/push` takes; what is left out stays as it was. */
export const pushSettingsSchema = z.strictObject({
  delayMs: milliseconds.optional(),
  lossProbability: probability.optional(),
  duplicateProbability: probability.optional(),
  reorder: z.boolean().optional(),
  batchMs: milliseconds.optional(),
  maxExpirationMinutes: z
    .int()
    .min(1)
    .max(7 * 24 * 60)
    .optional(),
  handshake: z.enum(['normal', 'fail', 'timeout']).optional(),
  handshakeTimeoutMs: milliseconds.min(1).optional(),
  retryScale: z.number().min(0).max(100).optional(),
  paused: z.boolean().optional(),
  latencySlowMs: milliseconds.min(1).optional(),
  sharedMailboxSubscriptions: z.enum(['refuse', 'silent']).optional(),
  authorizationMinutes: z.number().min(1).nullable().optional(),
  reauthorizationLeadMinutes: z.number().min(0).optional(),
});

/** How the notification service behaves. Faults among them go back to normal with a reset. */
export interface PushSettings {
  /** Every notification waits so long; with `reorder` a random part of it. */
  delayMs: number;
  /** A change notification is lost without a trace. Lifecycle events never are. */
  lossProbability: number;
  /** A change notification is delivered twice. */
  duplicateProbability: number;
  /** What is collected together is delivered newest first. */
  reorder: boolean;
  /** So long notifications for one URL are collected into one request. */
  batchMs: number;
  /** More answers 400. 10,080 at Microsoft; older pages say 4,230. */
  maxExpirationMinutes: number;
  /** `fail` and `timeout`: as if no endpoint could be validated; none is asked. */
  handshake: 'normal' | 'fail' | 'timeout';
  handshakeTimeoutMs: number;
  /** Multiplies the waits between attempts, not the four hours after which they end. */
  retryScale: number;
  /** Nothing is delivered; what comes up waits. */
  paused: boolean;
  /** The first attempt takes at most this long, and a longer one is slow; later attempts may take 10/3 of it. */
  latencySlowMs: number;
  sharedMailboxSubscriptions: 'refuse' | 'silent';
  /** So long after the last (re)authorization deliveries wait for the next; `null`: tokens never matter. */
  authorizationMinutes: number | null;
  /** `reauthorizationRequired` is sent so long before expiry or the end of the authorization; 0: never. */
  reauthorizationLeadMinutes: number;
}

/** As Microsoft does it, save that notifications are collected for a blink instead of most of a minute. */
export const DEFAULT_PUSH_SETTINGS: Readonly<PushSettings> = {
  delayMs: 0,
  lossProbability: 0,
  duplicateProbability: 0,
  reorder: false,
  batchMs: 20,
  maxExpirationMinutes: 10_080,
  handshake: 'normal',
  handshakeTimeoutMs: 10_000,
  retryScale: 1,
  paused: false,
  latencySlowMs: 3_000,
  sharedMailboxSubscriptions: 'refuse',
  authorizationMinutes: null,
  reauthorizationLeadMinutes: 15,
};

/** Later attempts may take so many times as long as the first: 10 s instead of 3 s. */
const RETRY_TIMEOUT_FACTOR = 10 / 3;

/** How long an attempt may take; `attempts` counts those before it. */
export function attemptTimeoutMs(settings: PushSettings, attempts: number): number {
  return attempts === 0 ? settings.latencySlowMs : retryTimeoutMs(settings);
}

/** How long an attempt after the first may take. */
export function retryTimeoutMs(settings: PushSettings): number {
  return settings.latencySlowMs * RETRY_TIMEOUT_FACTOR;
}
