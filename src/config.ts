import { join, resolve } from 'node:path';
import { z } from 'zod';
import { ExpectedError } from './errors.ts';
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

const environment = z.object({
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
  NODE_ENV: z.string().default('development'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info'),
});

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
    isProduction: env.NODE_ENV === 'production',
    logLevel: env.LOG_LEVEL,
  };
}
