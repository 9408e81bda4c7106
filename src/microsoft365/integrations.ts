import { UniqueConstraintViolationException } from '@mikro-orm/core';
import { validate as isUuid, v7 as uuidv7 } from 'uuid';
import { Organization } from '../access/organization.entity.ts';
import { ExpectedError, InvalidInputError, NotFoundError } from '../errors.ts';
import type { EntityManager } from '../platform/database.ts';
import type { SecretBox } from '../platform/secrets.ts';
import { CLOUDS, type CloudName } from './clouds.ts';
import { Integration } from './integration.entity.ts';
import type { AppRegistration } from './msal.ts';

/** Names that stand for more than one tenant; see https://learn.microsoft.com/entra/msal/msal-client-application-configuration */
const AUDIENCES: ReadonlySet<string> = new Set(['common', 'organizations', 'consumers']);
const DOMAIN = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/;
/** Microsoft's secrets have 40 characters; what is much longer is something else that was pasted. */
const LONGEST_SECRET = 512;

/** An app registration as its administrator knows it. */
export interface NewIntegration {
  cloud: CloudName;
  /** A tenant's id or domain, or `common`, `organizations`, `consumers`. */
  tenantId: string;
  clientId: string;
  clientSecret: string;
  /** When the secret expires, as Microsoft shows it; null when nobody said. */
  credentialExpiresAt: Date | null;
}

/** The organization has this app registration already. */
export class IntegrationExistsError extends ExpectedError {
  constructor() {
    super(
      'INTEGRATION_EXISTS',
      'The organization has an integration with this cloud, tenant and client id.',
      'Use the integration that exists.',
    );
  }
}

/**
 * Makes an integration and writes it. Nothing is asked of Microsoft: the first sign-in shows whether it is right.
 * Throws `InvalidInputError`, or {@link IntegrationExistsError}.
 */
export async function createIntegration(
  em: EntityManager,
  secretBox: SecretBox,
  organizationId: string,
  input: NewIntegration,
): Promise<Integration> {
  const { cloud, tenantId, clientId, clientSecret, credentialExpiresAt } = checkNewIntegration(input);
  const id = uuidv7();
  const integration = em.create(Integration, {
    id,
    organization: em.getReference(Organization, organizationId, { wrapped: true }),
    cloud,
    tenantId,
    clientId,
    authorizationMode: 'DELEGATED',
    sealedClientSecret: secretBox.seal(clientSecret, secretContext(id)),
    credentialExpiresAt,
  });
  try {
    await em.flush();
  } catch (error) {
    // The database decides: two requests at the same time cannot both win.
    if (error instanceof UniqueConstraintViolationException) throw new IntegrationExistsError();
    throw error;
  }
  return integration;
}

/** A new client secret for an integration. */
export interface NewCredential {
  clientSecret: string;
  credentialExpiresAt: Date | null;
}

/**
 * Replaces the client secret and writes it. Accounts that failed for want of a good one heal at their next use.
 * Throws `NotFoundError` and `InvalidInputError`.
 */
export async function rotateCredential(
  em: EntityManager,
  secretBox: SecretBox,
  integrationId: string,
  { clientSecret, credentialExpiresAt }: NewCredential,
): Promise<Integration> {
  const integration = await getIntegration(em, integrationId);
  integration.sealedClientSecret = secretBox.seal(checkSecret(clientSecret), secretContext(integrationId));
  integration.credentialExpiresAt = credentialExpiresAt;
  await em.flush();
  return integration;
}

/** The integration with this id. Throws `NotFoundError`, also for one of another organization. */
export async function getIntegration(em: EntityManager, id: string): Promise<Integration> {
  const integration = await em.findOne(Integration, { id });
  if (!integration) throw new NotFoundError('The integration');
  return integration;
}

/** The app registration with its secret opened: for the moment of use. */
export function openRegistration(secretBox: SecretBox, integration: Integration): AppRegistration {
  const { cloud, tenantId, clientId, sealedClientSecret } = integration;
  return {
    cloud,
    tenantId,
    clientId,
    clientSecret: secretBox.open(sealedClientSecret, secretContext(integration.id)),
  };
}

function secretContext(integrationId: string): string {
  return `integration:${integrationId}`;
}

function checkNewIntegration(input: NewIntegration): NewIntegration {
  const tenantId = input.tenantId.trim().toLowerCase();
  const clientId = input.clientId.trim().toLowerCase();
  if (!Object.hasOwn(CLOUDS, input.cloud)) {
    throw new InvalidInputError('cloud', 'The cloud is not known.', `Use ${Object.keys(CLOUDS).join(', ')}.`);
  }
  if (!isUuid(tenantId) && !AUDIENCES.has(tenantId) && !DOMAIN.test(tenantId)) {
    throw new InvalidInputError(
      'tenantId',
      'The tenant id is neither a UUID nor a domain.',
      'Copy "Directory (tenant) ID" from the overview of the app registration.',
    );
  }
  if (!isUuid(clientId)) {
    throw new InvalidInputError(
      'clientId',
      'The client id is not a UUID.',
      'Copy "Application (client) ID" from the overview of the app registration.',
    );
  }
  return { ...input, tenantId, clientId, clientSecret: checkSecret(input.clientSecret) };
}

function checkSecret(text: string): string {
  const clientSecret = text.trim();
  // A secret's id looks like a UUID; it is what people paste most often instead of the value.
  if (clientSecret === '' || clientSecret.length > LONGEST_SECRET || isUuid(clientSecret)) {
    throw new InvalidInputError(
      'clientSecret',
      'The client secret is empty, too long, or the id of a secret.',
      'Copy the column "Value" of the client secret; it is shown only when the secret is made.',
    );
  }
  return clientSecret;
}
