import { LockMode, UniqueConstraintViolationException } from '@mikro-orm/core';
import { validate as isUuid, v7 as uuidv7 } from 'uuid';
import { Organization } from '../access/organization.entity.ts';
import { ExpectedError, InvalidInputError, NotFoundError } from '../errors.ts';
import type { Clock } from '../platform/clock.ts';
import type { EntityManager } from '../platform/database.ts';
import type { SecretBox } from '../platform/secrets.ts';
import { recordEvents } from '../realtime/record.ts';
import { Account } from './account.entity.ts';
import { createTenantAccount, findTenantAccount, tenantOf } from './application-account.ts';
import { CLOUDS, type CloudName } from './clouds.ts';
import {
  type AppCredential,
  type CheckedCredential,
  type CredentialInput,
  checkCredential,
} from './credential.ts';
import { AUTHORIZATION_MODES, type AuthorizationMode, Integration } from './integration.entity.ts';
import { type AppRegistration, createMsal } from './msal.ts';
import { PERSONAL_TENANT } from './personal-accounts.ts';
import { AUDIENCES, type Verification, type VerifyDeps, verifyRegistration } from './verify-registration.ts';

const DOMAIN = /^(?=.{4,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$/;

/** An app registration as its administrator knows it. */
export interface NewIntegration extends CredentialInput {
  cloud: CloudName;
  authorizationMode: AuthorizationMode;
  /** A tenant's id or domain, or `common`, `organizations`, `consumers`. */
  tenantId: string;
  clientId: string;
}

/** An integration that was saved, and whether Microsoft could be asked about its credential. */
export interface SavedIntegration {
  integration: Integration;
  /** False where Microsoft takes or refuses the credential only when somebody signs in. */
  isCredentialVerified: boolean;
}

export interface IntegrationDeps extends VerifyDeps {
  secretBox: SecretBox;
  clock: Clock;
}

/** The organization has this app registration already. */
export class IntegrationExistsError extends ExpectedError {
  constructor() {
    super(
      'INTEGRATION_EXISTS',
      'The organization has an integration with this cloud, tenant and client id.',
      'Use the integration that exists; rotateCredential gives it another credential.',
    );
  }
}

/**
 * Makes an integration, once Microsoft has confirmed what can be confirmed: the tenant, its cloud, and for an app of one
 * tenant the client id and the credential. When Microsoft cannot be reached nothing is saved: a faulty integration that
 * shows itself at the first sign-in costs more than trying again. In application mode its account is made as well; where the
 * tenant does not know the app yet, nothing but that can be asked before an administrator has consented, so it is saved
 * with the account as `NEEDS_CONSENT`.
 * Throws `InvalidInputError`, {@link IntegrationExistsError}, `RegistrationError`.
 */
export async function createIntegration(
  em: EntityManager,
  deps: IntegrationDeps,
  organizationId: string,
  input: NewIntegration,
): Promise<SavedIntegration> {
  const now = deps.clock.now();
  const { cloud, tenantId, clientId, authorizationMode } = checkNewIntegration(input);
  const checked = checkCredential(input, now);
  // Said before Microsoft is asked; two requests at the same time the database tells apart.
  if (await em.count(Integration, { cloud, tenantId, clientId })) throw new IntegrationExistsError();
  const registration: AppRegistration = { cloud, tenantId, clientId, credential: checked.credential };
  const verification = await verifyRegistration(deps, registration, authorizationMode, {
    mayLackConsent: authorizationMode === 'APPLICATION',
  });
  try {
    const integration = await em.transactional(async (inner) => {
      const id = uuidv7();
      const created = inner.create(Integration, {
        id,
        organization: inner.getReference(Organization, organizationId, { wrapped: true }),
        cloud,
        tenantId,
        clientId,
        authorizationMode,
        ...seal(deps.secretBox, id, checked, verification, now),
      });
      await inner.flush();
      if (authorizationMode === 'APPLICATION') {
        const msal = createMsal(registration, deps.overrides);
        const { token, notInTenant: refusedAs = null } = verification;
        const account = createTenantAccount(
          inner,
          deps.secretBox,
          created,
          verification.tenantId ?? tenantId,
          { msal, token, refusedAs, now },
        );
        await inner.flush();
        await recordEvents(inner, organizationId, [
          { type: 'account-status.changed', accountId: account.id },
        ]);
      }
      return created;
    });
    return { integration, isCredentialVerified: verification.token !== null };
  } catch (error) {
    if (error instanceof UniqueConstraintViolationException) throw new IntegrationExistsError();
    throw error;
  }
}

/**
 * Replaces the credential, once Microsoft has taken the new one; a secret may follow a certificate and the other way
 * round. Until it is written the old one is used, and tokens that it brought stay good: mail goes on.
 * Throws `NotFoundError`, `InvalidInputError`, `RegistrationError`; then nothing has changed.
 */
export async function rotateCredential(
  em: EntityManager,
  deps: IntegrationDeps,
  integrationId: string,
  input: CredentialInput,
): Promise<SavedIntegration> {
  const now = deps.clock.now();
  const integration = await getIntegration(em, integrationId);
  const checked = checkCredential(input, now);
  const { cloud, clientId, authorizationMode } = integration;
  const tenantId = await tenantOf(em, integration);
  const registration: AppRegistration = { cloud, tenantId, clientId, credential: checked.credential };
  const knownTenantId = AUDIENCES.has(tenantId) ? await knownTenantOf(em, integrationId) : null;
  const tenant = await findTenantAccount(em, integrationId);
  const verification = await verifyRegistration(deps, registration, authorizationMode, {
    knownTenantId,
    // Nothing worked before, so nothing can be lost by what cannot be tried.
    mayLackConsent: tenant?.status === 'NEEDS_CONSENT',
  });
  const rotated = await em.transactional(async (inner) => {
    // Locked and read anew: somebody else may have put a credential of the other kind there, or deleted it, meanwhile.
    const current = await inner.findOne(
      Integration,
      { id: integrationId },
      { lockMode: LockMode.PESSIMISTIC_WRITE, refresh: true },
    );
    if (!current) throw new NotFoundError('The integration');
    inner.assign(current, {
      ...seal(deps.secretBox, integrationId, checked, verification, now),
      // The next one expires later: it is warned of anew.
      credentialWarnedDays: null,
    });
    await inner.flush();
    return current;
  });
  return { integration: rotated, isCredentialVerified: verification.token !== null };
}

/** The integration with this id. Throws `NotFoundError`, also for one of another organization. */
export async function getIntegration(em: EntityManager, id: string): Promise<Integration> {
  const integration = await em.findOne(Integration, { id });
  if (!integration) throw new NotFoundError('The integration');
  return integration;
}

/** The app registration with its credential opened: for the moment of use. Throws when the key is unknown. */
export function openRegistration(secretBox: SecretBox, integration: Integration): AppRegistration {
  const { cloud, tenantId, clientId } = integration;
  return { cloud, tenantId, clientId, credential: openCredential(secretBox, integration) };
}

function openCredential(secretBox: SecretBox, integration: Integration): AppCredential {
  const { id, sealedClientSecret, sealedPrivateKey, certificate } = integration;
  if (sealedPrivateKey != null && certificate != null) {
    const privateKey = secretBox.open(sealedPrivateKey, credentialContext(id));
    return { kind: 'CERTIFICATE', certificate, privateKey };
  }
  return {
    kind: 'CLIENT_SECRET',
    clientSecret: secretBox.open(sealedClientSecret ?? '', credentialContext(id)),
  };
}

function seal(
  secretBox: SecretBox,
  integrationId: string,
  { credential, expiresAt }: CheckedCredential,
  { token }: Verification,
  now: Date,
) {
  const sealText = (text: string) => secretBox.seal(text, credentialContext(integrationId));
  const isSecret = credential.kind === 'CLIENT_SECRET';
  return {
    sealedClientSecret: isSecret ? sealText(credential.clientSecret) : null,
    sealedPrivateKey: isSecret ? null : sealText(credential.privateKey),
    certificate: isSecret ? null : credential.certificate,
    credentialExpiresAt: expiresAt,
    credentialAcceptedAt: token === null ? null : now,
  };
}

function credentialContext(integrationId: string): string {
  return `integration:${integrationId}`;
}

/**
 * A tenant in which the app is known, because somebody signed in there, and whose sign-in service can be asked about a
 * credential: that of personal accounts gives apps no tokens of their own.
 */
async function knownTenantOf(em: EntityManager, integrationId: string): Promise<string | null> {
  const account = await em.findOne(
    Account,
    {
      integration: integrationId,
      status: { $nin: ['DISCONNECTED', 'NEEDS_CONSENT'] },
      microsoftTenantId: { $ne: PERSONAL_TENANT },
    },
    { orderBy: { updatedAt: 'desc', id: 'desc' } },
  );
  return account?.microsoftTenantId ?? null;
}

function checkNewIntegration(input: NewIntegration): NewIntegration {
  const tenantId = input.tenantId.trim().toLowerCase();
  const clientId = input.clientId.trim().toLowerCase();
  if (!Object.hasOwn(CLOUDS, input.cloud)) {
    throw new InvalidInputError('cloud', 'The cloud is not known.', `Use ${Object.keys(CLOUDS).join(', ')}.`);
  }
  if (!AUTHORIZATION_MODES.includes(input.authorizationMode)) {
    throw new InvalidInputError(
      'authorizationMode',
      'The authorization mode is not known.',
      `Use ${AUTHORIZATION_MODES.join(' or ')}.`,
    );
  }
  if (!isUuid(tenantId) && !AUDIENCES.has(tenantId) && !DOMAIN.test(tenantId)) {
    throw new InvalidInputError(
      'tenantId',
      'The tenant id is neither a UUID nor a domain.',
      'Copy "Directory (tenant) ID" from the overview of the app registration.',
    );
  }
  const isOneTenant = !AUDIENCES.has(tenantId) && tenantId !== PERSONAL_TENANT;
  if (!isOneTenant && input.authorizationMode === 'APPLICATION') {
    throw new InvalidInputError(
      'tenantId',
      `In application mode the app acts for one tenant, and "${tenantId}" is none.`,
      'Give the id or domain of the tenant whose mailboxes are meant.',
    );
  }
  if (tenantId === 'consumers' && input.cloud !== 'GLOBAL') {
    throw new InvalidInputError(
      'tenantId',
      'Personal accounts exist in the global cloud only.',
      'Use the cloud GLOBAL, or the id or domain of a tenant.',
    );
  }
  if (!isUuid(clientId)) {
    throw new InvalidInputError(
      'clientId',
      'The client id is not a UUID.',
      'Copy "Application (client) ID" from the overview of the app registration.',
    );
  }
  return { ...input, tenantId, clientId };
}
