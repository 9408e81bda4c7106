import { z } from 'zod';
import { SECOND } from '../platform/clock.ts';
import { CLOUD_NAMES, CLOUDS, type CloudName } from './clouds.ts';
import { type EndpointOverrides, loginUrlOf, reachesLoginOf } from './endpoints.ts';
import { RegistrationError } from './registration-error.ts';

const REQUEST_MILLISECONDS = 15 * SECOND;
/** Another cloud is asked only so that an error can name it: it is not waited for as long. */
const OTHER_CLOUD_MILLISECONDS = 5 * SECOND;
/** The document has some two kilobytes; whoever sends more than this is not Microsoft. */
const MOST_BYTES = 256 * 1024;

const metadataSchema = z.object({
  issuer: z.string(),
  cloud_instance_name: z.string().nullish(),
  msgraph_host: z.string().nullish(),
  /** `NA`, `EU`, …, `USGov`; null for shared paths. */
  tenant_region_scope: z.string().nullish(),
  /** `GCC`, `DODCON` (GCC High), `DOD`. */
  tenant_region_sub_scope: z.string().nullish(),
});

/** The OpenID provider document of a tenant, as far as it matters. */
export type TenantMetadata = z.infer<typeof metadataSchema>;

/**
 * Makes sure that Microsoft knows the tenant, and that it is in this cloud. Gives the tenant's id, or null for `common`
 * and its like, which are not one. Needs no credential. Throws {@link RegistrationError}: `TENANT_NOT_FOUND`,
 * `WRONG_CLOUD` (naming the right one where Microsoft tells), `SIGN_IN_UNAVAILABLE`.
 * https://learn.microsoft.com/entra/identity-platform/v2-protocols-oidc
 */
export async function findTenant(
  overrides: EndpointOverrides,
  cloud: CloudName,
  tenant: string,
): Promise<string | null> {
  const metadata = await readMetadata(overrides, cloud, tenant, REQUEST_MILLISECONDS);
  if (metadata === null) {
    const other = await findInOtherCloud(overrides, cloud, tenant);
    throw other === null ? new RegistrationError('TENANT_NOT_FOUND') : wrongCloud(other);
  }
  const clouds = cloudsOf(metadata);
  if (clouds[0] !== undefined && !clouds.includes(cloud)) throw wrongCloud(clouds[0]);
  return tenantIdOf(metadata);
}

/**
 * The clouds that a tenant may belong to, as its metadata tells: two where the American ones cannot be told apart, none
 * where it tells nothing that is known here.
 */
export function cloudsOf(metadata: TenantMetadata): CloudName[] {
  const host = metadata.msgraph_host?.toLowerCase();
  const instance = metadata.cloud_instance_name?.toLowerCase();
  const bySubScope = AMERICAN[metadata.tenant_region_sub_scope?.toUpperCase() ?? ''];
  if (bySubScope !== undefined && instance !== CLOUDS.GLOBAL.instanceName) return [bySubScope];
  const named = CLOUD_NAMES.filter((name) => CLOUDS[name].instanceName === instance);
  if (named.length < 2) return named;
  const byHost = named.filter((name) => new URL(CLOUDS[name].graphUrl).host === host);
  return byHost.length > 0 ? byHost : named;
}

const AMERICAN: Readonly<Record<string, CloudName>> = {
  DODCON: 'US_GOVERNMENT_GCC_HIGH',
  DOD: 'US_GOVERNMENT_DOD',
};

function tenantIdOf({ issuer }: TenantMetadata): string | null {
  const [, id] = /^https:\/\/[^/]+\/([0-9a-f-]{36})\/v2\.0$/i.exec(issuer) ?? [];
  return id?.toLowerCase() ?? null;
}

function wrongCloud(cloud: CloudName): RegistrationError {
  return new RegistrationError('WRONG_CLOUD', {
    detail: `The tenant belongs to another cloud of Microsoft: ${cloud}.`,
  });
}

/** Null when this cloud does not know the tenant. */
async function readMetadata(
  overrides: EndpointOverrides,
  cloud: CloudName,
  tenant: string,
  milliseconds: number,
): Promise<TenantMetadata | null> {
  const url = `${CLOUDS[cloud].loginUrl}/${tenant}/v2.0/.well-known/openid-configuration`;
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(loginUrlOf(overrides, url) ?? url, {
      headers: { accept: 'application/json' },
      // Elsewhere nobody vouches for which tenant it is.
      redirect: 'error',
      signal: AbortSignal.timeout(milliseconds),
    });
    body = JSON.parse(await readText(response));
  } catch (cause) {
    throw new RegistrationError('SIGN_IN_UNAVAILABLE', { cause });
  }
  // AADSTS90002 and its like; a throttled or broken service answers with something else.
  if (response.status === 400 || response.status === 404) return null;
  const { data } = metadataSchema.safeParse(body);
  if (!response.ok || data === undefined) throw new RegistrationError('SIGN_IN_UNAVAILABLE');
  return data;
}

/** The answer as text; the deadline of its request holds for it. Throws when it is longer than {@link MOST_BYTES}. */
async function readText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    // Leaving the loop ends the connection.
    if (bytes > MOST_BYTES) throw new Error('The metadata of the tenant has no end.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

async function findInOtherCloud(
  overrides: EndpointOverrides,
  cloud: CloudName,
  tenant: string,
): Promise<CloudName | null> {
  const others = CLOUD_NAMES.filter(
    (name, index) =>
      CLOUDS[name].loginUrl !== CLOUDS[cloud].loginUrl &&
      CLOUD_NAMES.findIndex((first) => CLOUDS[first].loginUrl === CLOUDS[name].loginUrl) === index &&
      reachesLoginOf(overrides, name),
  );
  const found = await Promise.all(
    others.map(async (name) => {
      const metadata = await readMetadata(overrides, name, tenant, OTHER_CLOUD_MILLISECONDS).catch(
        () => null,
      );
      return metadata && (cloudsOf(metadata)[0] ?? name);
    }),
  );
  return found.find((name) => name !== null) ?? null;
}
