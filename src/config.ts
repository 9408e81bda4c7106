import { join, resolve } from 'node:path';
import { z } from 'zod';
import { ExpectedError } from './errors.ts';
import type { S3Settings } from './platform/s3-storage.ts';
import { type EncryptionKey, parseEncryptionKeys } from './platform/secrets.ts';

/** What a process does: `api` serves GraphQL, webhooks and callbacks; `worker` runs jobs. */
export const PROCESS_ROLES = ['api', 'worker'] as const;
export type ProcessRole = (typeof PROCESS_ROLES)[number];

/** The configuration of a process. An absent option is `null`. */
export interface Config {
  port: number;
  host: string;
  /** Where browsers and Microsoft reach this server, without a trailing slash; the listening address when not set. */
  publicUrl: string | null;
  databaseUrl: string | null;
  dataDirectory: string;
  encryptionKeys: EncryptionKey[] | null;
  adminKey: string | null;
  roles: ReadonlySet<ProcessRole>;
  microsoftLoginUrl: string | null;
  microsoftGraphUrl: string | null;
  /** Origins that browsers may call from, exactly; none by default. */
  corsOrigins: string[];
  /** The bucket that files of mails go to; null for the database. */
  s3: S3Settings | null;
  /** How much of the files of mails is kept. */
  attachmentLimits: { maxFileBytes: number; maxMessageBytes: number; maxAttachments: number };
  isProduction: boolean;
  logLevel: string;
}

/** The environment has faults; the message lists every one of them. */
export class ConfigError extends ExpectedError {
  constructor(faults: readonly string[]) {
    super(
      'INVALID_CONFIGURATION',
      `The configuration has ${faults.length === 1 ? 'a fault' : `${faults.length} faults`}:\n${faults.map((fault) => `  - ${fault}`).join('\n')}`,
      'Correct the environment variables named above; .env.example describes each.',
    );
  }
}

const MEGABYTE = 1024 * 1024;

/** An address that paths are put after. */
const httpUrl = z
  .url({ protocol: /^https?$/, error: 'must be an http or https URL' })
  .refine((url) => !/[?#]/.test(url), 'must end before any "?" or "#"')
  .transform((url) => url.replace(/\/+$/, ''));

/** As browsers send it: scheme, host and port; anything more would never be equal to it. */
const origin = httpUrl.refine(
  (url) => URL.canParse(url) && new URL(url).origin === url,
  'must be an origin, such as https://desk.example, in lower case and without a path',
);

/** A whole number of at least one, with a most that keeps a slip of the finger from counting. */
const count = (most: number) =>
  z
    .string()
    .regex(/^[1-9]\d{0,6}$/, 'must be a whole number from 1')
    .transform(Number)
    .pipe(z.number().max(most, `must be at most ${most}`));

const variables = z.object({
  PORT: z
    .string()
    .regex(/^\d{1,5}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().max(65_535, 'must be at most 65535'))
    .default(4000),
  HOST: z.string().min(1).default('127.0.0.1'),
  PUBLIC_URL: httpUrl.optional(),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgres:// URL' }).optional(),
  DESKGRAPH_DATA_DIR: z.string().min(1).default('.data'),
  DESKGRAPH_ENCRYPTION_KEYS: z
    .string()
    .transform((text, context) => {
      try {
        return parseEncryptionKeys(text);
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message });
        return z.NEVER;
      }
    })
    .optional(),
  DESKGRAPH_ADMIN_KEY: z.string().min(32, 'must have at least 32 characters').optional(),
  DESKGRAPH_ROLES: z
    .string()
    .default(PROCESS_ROLES.join(','))
    .transform((text) => text.split(',').map((role) => role.trim()))
    .pipe(z.array(z.enum(PROCESS_ROLES)).min(1)),
  MICROSOFT_LOGIN_URL: httpUrl.optional(),
  MICROSOFT_GRAPH_URL: httpUrl.optional(),
  DESKGRAPH_CORS_ORIGINS: z
    .string()
    .transform((text) => text.split(',').map((origin) => origin.trim()))
    .pipe(z.array(origin))
    .optional(),
  DESKGRAPH_S3_BUCKET: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket, such as deskgraph-files')
    .optional(),
  DESKGRAPH_S3_ENDPOINT: httpUrl.optional(),
  DESKGRAPH_S3_REGION: z
    .string()
    .regex(/^[a-z0-9-]{1,40}$/, 'must be the name of a region, such as eu-central-1')
    .optional(),
  DESKGRAPH_S3_ACCESS_KEY_ID: z.string().optional(),
  DESKGRAPH_S3_SECRET_ACCESS_KEY: z.string().optional(),
  DESKGRAPH_S3_FORCE_PATH_STYLE: z.enum(['true', 'false'], { error: 'must be true or false' }).optional(),
  DESKGRAPH_MAX_ATTACHMENT_MB: count(1_000).default(150),
  DESKGRAPH_MAX_MESSAGE_MB: count(2_000).default(300),
  DESKGRAPH_MAX_ATTACHMENTS: count(1_000).default(200),
  NODE_ENV: z.string().default('development'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

/** What only makes sense together. */
const environment = variables.superRefine((env, context) => {
  const fault = (name: keyof typeof env, message: string) =>
    context.addIssue({ code: 'custom', path: [name], message });
  const given = S3_VARIABLES.filter((name) => env[name] !== undefined);
  if (env.DESKGRAPH_S3_BUCKET === undefined) {
    if (given.length > 0) fault('DESKGRAPH_S3_BUCKET', `is missing, but ${given.join(', ')} is set`);
    return;
  }
  if (env.DESKGRAPH_S3_REGION === undefined && env.DESKGRAPH_S3_ENDPOINT === undefined) {
    fault('DESKGRAPH_S3_REGION', 'is missing: say the region of the bucket, or DESKGRAPH_S3_ENDPOINT');
  }
  if (env.DESKGRAPH_S3_ACCESS_KEY_ID !== undefined && env.DESKGRAPH_S3_SECRET_ACCESS_KEY === undefined) {
    fault('DESKGRAPH_S3_SECRET_ACCESS_KEY', 'is missing, but DESKGRAPH_S3_ACCESS_KEY_ID is set');
  }
  if (env.DESKGRAPH_S3_ACCESS_KEY_ID === undefined && env.DESKGRAPH_S3_SECRET_ACCESS_KEY !== undefined) {
    fault('DESKGRAPH_S3_ACCESS_KEY_ID', 'is missing, but DESKGRAPH_S3_SECRET_ACCESS_KEY is set');
  }
});

/** What belongs to a bucket. */
const S3_VARIABLES = [
  'DESKGRAPH_S3_ENDPOINT',
  'DESKGRAPH_S3_REGION',
  'DESKGRAPH_S3_ACCESS_KEY_ID',
  'DESKGRAPH_S3_SECRET_ACCESS_KEY',
  'DESKGRAPH_S3_FORCE_PATH_STYLE',
] as const;

/**
 * Reads the environment: the one place that does. An empty variable counts as absent.
 * Throws {@link ConfigError} with every fault at once.
 */
export function readConfig(source: Readonly<Record<string, string | undefined>> = process.env): Config {
  const present = Object.fromEntries(Object.entries(source).filter(([, value]) => value !== ''));
  const parsed = environment.safeParse(present);
  if (!parsed.success) {
    throw new ConfigError(
      parsed.error.issues.map(({ path, message }) => `${path[0]?.toString()}: ${message}`),
    );
  }
  const env = parsed.data;
  return {
    port: env.PORT,
    host: env.HOST,
    publicUrl: env.PUBLIC_URL ?? null,
    databaseUrl: env.DATABASE_URL ?? null,
    dataDirectory: resolve(join(env.DESKGRAPH_DATA_DIR)),
    encryptionKeys: env.DESKGRAPH_ENCRYPTION_KEYS ?? null,
    adminKey: env.DESKGRAPH_ADMIN_KEY ?? null,
    roles: new Set(env.DESKGRAPH_ROLES),
    microsoftLoginUrl: env.MICROSOFT_LOGIN_URL ?? null,
    microsoftGraphUrl: env.MICROSOFT_GRAPH_URL ?? null,
    corsOrigins: env.DESKGRAPH_CORS_ORIGINS ?? [],
    s3: s3Settings(env),
    attachmentLimits: {
      maxFileBytes: env.DESKGRAPH_MAX_ATTACHMENT_MB * MEGABYTE,
      maxMessageBytes: env.DESKGRAPH_MAX_MESSAGE_MB * MEGABYTE,
      maxAttachments: env.DESKGRAPH_MAX_ATTACHMENTS,
    },
    isProduction: env.NODE_ENV === 'production',
    logLevel: env.LOG_LEVEL,
  };
}

function s3Settings(env: z.output<typeof variables>): S3Settings | null {
  if (env.DESKGRAPH_S3_BUCKET === undefined) return null;
  const accessKeyId = env.DESKGRAPH_S3_ACCESS_KEY_ID;
  const secretAccessKey = env.DESKGRAPH_S3_SECRET_ACCESS_KEY;
  return {
    bucket: env.DESKGRAPH_S3_BUCKET,
    endpoint: env.DESKGRAPH_S3_ENDPOINT ?? null,
    region: env.DESKGRAPH_S3_REGION ?? 'us-east-1', // what services without regions take
    credentials:
      accessKeyId === undefined || secretAccessKey === undefined ? null : { accessKeyId, secretAccessKey },
    forcePathStyle: env.DESKGRAPH_S3_FORCE_PATH_STYLE === 'true',
  };
}
