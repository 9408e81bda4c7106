import type { ChangeType } from '@microsoft/microsoft-graph-types';
import { z } from 'zod';
import { GraphFault } from './graph-fault.ts';
import { canonicalPath } from './graph-path.ts';
import { SHORTEST_LIFE_MS } from './subscription.ts';

const MINUTE = 60 * 1000;
const LONGEST_URL = 2_048;

const url = z.string().max(LONGEST_URL).superRefine(checkUrl);
const changeTypes = z.string().transform((text, context): ChangeType[] => {
  const known = text.split(',').flatMap((word): ChangeType[] => {
    const name = word.trim().toLowerCase();
    return name === 'created' || name === 'updated' || name === 'deleted' ? [name] : [];
  });
  if (known.length === text.split(',').length && new Set(known).size === known.length) return known;
  context.addIssue(`Invalid value '${text}': created, updated and deleted are supported.`);
  return z.NEVER;
});
const dateTime = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));

/** Any other property, such as those for encrypted resource data, answers 400. */
const creation = z.strictObject({
  changeType: changeTypes,
  notificationUrl: url,
  lifecycleNotificationUrl: url.nullish(),
  resource: z.string().min(1).max(1_000),
  expirationDateTime: dateTime,
  clientState: z.string().max(128).nullish(),
  latestSupportedTlsVersion: z.enum(['v1_0', 'v1_1', 'v1_2', 'v1_3']).default('v1_2'),
  includeResourceData: z.literal(false).nullish(),
});
const change = z
  .strictObject({ expirationDateTime: dateTime.optional(), notificationUrl: url.optional() })
  .refine((input) => input.expirationDateTime !== undefined || input.notificationUrl !== undefined, {
    error: 'Name expirationDateTime or notificationUrl.',
  });

/** What `POST /subscriptions` takes, checked; see learn.microsoft.com/graph/api/subscription-post-subscriptions. */
export type SubscriptionCreation = z.infer<typeof creation>;
/** What `PATCH /subscriptions/{id}` takes, checked. */
export type SubscriptionChange = z.infer<typeof change>;

/** Throws 400 `InvalidRequest` that names what is wrong. */
export function readCreation(json: unknown): SubscriptionCreation {
  return parsed(creation, json);
}

/** Throws 400 `InvalidRequest` that names what is wrong, also for properties that cannot change. */
export function readChange(json: unknown): SubscriptionChange {
  return parsed(change, json);
}

/**
 * When a subscription will end: never sooner than in 45 minutes.
 * Throws 400 `InvalidRequest` for more than the maximum, as Microsoft announced it would.
 */
export function expiryOf(wanted: number, now: number, mostMinutes: number): number {
  if (wanted > now + mostMinutes * MINUTE) {
    throw invalidRequest(`Subscription expiration can only be ${mostMinutes} minutes in the future.`);
  }
  return Math.max(wanted, now + Math.min(SHORTEST_LIFE_MS, mostMinutes * MINUTE));
}

/**
 * The mailbox and folder behind a resource string: `me/messages`, `users/{id}/mailFolders('inbox')/messages`, ….
 * `folder` is null for all folders. Throws 400 `InvalidRequest` for anything else, a `$filter` included.
 */
export function readResource(resource: string): { user: string; folder: string | null } {
  const path = canonicalPath(`/v1.0/${resource.replace(/^\//, '')}`);
  const [, user, folder] =
    /^\/v1\.0\/users\/([^/?]+)\/(?:mailFolders\/([^/?]+)\/)?messages$/i.exec(path) ?? [];
  if (user === undefined) throw invalidRequest(`Resource '${resource}' is not supported.`);
  try {
    return {
      user: decodeURIComponent(user),
      folder: folder === undefined ? null : decodeURIComponent(folder),
    };
  } catch {
    throw invalidRequest(`Resource '${resource}' is not supported.`);
  }
}

function checkUrl(text: string, context: z.core.$RefinementCtx<string>): void {
  const fault = faultOf(text);
  if (fault !== null) context.addIssue(fault);
}

function faultOf(text: string): string | null {
  if (!URL.canParse(text)) return 'The notification URL is not valid.';
  const { protocol, hostname, username, password } = new URL(text);
  // Microsoft wants https always. A laptop has no certificate: towards itself plain http is enough.
  if (protocol !== 'https:' && !(protocol === 'http:' && isLoopback(hostname))) {
    return "The notification URL must be HTTPS (plain HTTP only to this machine's loopback).";
  }
  return username === '' && password === '' ? null : 'The notification URL must not hold credentials.';
}

function isLoopback(hostname: string): boolean {
  return /^(localhost|.+\.localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

function parsed<T>(schema: z.ZodType<T>, json: unknown): T {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw invalidRequest([issue?.path.join('.'), issue?.message].filter(Boolean).join(': '));
}

function invalidRequest(message: string): GraphFault {
  return new GraphFault(400, 'InvalidRequest', message);
}
