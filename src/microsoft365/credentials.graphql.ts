import { InvalidInputError, NotFoundError } from '../errors.ts';
import { builder, enumType, errorType } from '../graphql/builder.ts';
import { decodeId } from '../graphql/global-id.ts';
import { microsoftErrorType } from '../graphql/microsoft-error.ts';
import { mutation } from '../graphql/mutation.ts';
import { thumbprintOf } from './certificate.ts';
import { type WarningDays, warningDaysOf } from './credential-expiry.ts';
import { Integration } from './integration.entity.ts';
import { IntegrationExistsError } from './integrations.ts';
import { RegistrationError } from './registration-error.ts';

errorType(
  IntegrationExistsError,
  'The organization has an integration with this cloud, tenant and client id.',
);
microsoftErrorType(
  RegistrationError,
  'Microsoft was asked about the app registration and did not take it; nothing was saved. The code says what is wrong.',
  (error) => error,
);

export const CloudEnum = enumType(
  'MicrosoftCloud',
  "Microsoft's clouds. An app registration belongs to one of them.",
  {
    GLOBAL: 'The worldwide cloud, GCC included.',
    US_GOVERNMENT_GCC_HIGH: 'The cloud of the United States government, GCC High.',
    US_GOVERNMENT_DOD: 'The cloud of the United States Department of Defense.',
    CHINA: 'The cloud that 21Vianet runs in China.',
  },
);

export const AuthorizationModeEnum = enumType('AuthorizationMode', 'In whose name an integration acts.', {
  DELEGATED: 'A person signs in, and it acts as that account.',
  APPLICATION:
    'Nobody signs in: an administrator grants it permissions for the tenant, and it acts as itself in any mailbox there.',
});

const CredentialKindEnum = enumType(
  'CredentialKind',
  'How an integration proves to Microsoft that it is itself.',
  {
    CLIENT_SECRET: 'With a client secret.',
    CERTIFICATE: 'With a certificate, whose private key signs every request for tokens.',
  },
);

const CredentialWarningEnum = enumType('CredentialWarning', 'How soon a credential expires.', {
  EXPIRES_WITHIN_30_DAYS: 'Within 30 days: make a new one and enter it with rotateCredential.',
  EXPIRES_WITHIN_7_DAYS: 'Within 7 days.',
  EXPIRES_WITHIN_1_DAY: 'Within a day: from then on no mail is read or sent.',
  EXPIRED: 'It has expired.',
});

const WARNINGS = {
  30: 'EXPIRES_WITHIN_30_DAYS',
  7: 'EXPIRES_WITHIN_7_DAYS',
  1: 'EXPIRES_WITHIN_1_DAY',
  0: 'EXPIRED',
} as const satisfies Record<WarningDays, string>;

const CredentialType = builder.objectRef<Integration>('Credential').implement({
  description: 'What an integration proves itself with. Secrets and private keys are never shown.',
  authScopes: { permission: 'integration:read' },
  fields: (t) => ({
    kind: t.field({
      type: CredentialKindEnum,
      description: 'What it is.',
      resolve: ({ certificate }) => (certificate == null ? 'CLIENT_SECRET' : 'CERTIFICATE'),
    }),
    expiresAt: t.expose('credentialExpiresAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it expires: read from the certificate, entered for a secret; null when nobody said.',
    }),
    warning: t.field({
      type: CredentialWarningEnum,
      nullable: true,
      description: 'How soon it expires; null when there is more than a month left, or nobody knows.',
      resolve: ({ credentialExpiresAt }, _args, { services: { clock } }) => {
        const days = warningDaysOf(credentialExpiresAt, clock.now());
        return days === null ? null : WARNINGS[days];
      },
    }),
    thumbprint: t.string({
      nullable: true,
      description: 'The thumbprint of the certificate as the app registration lists it; null for a secret.',
      resolve: ({ certificate }) => (certificate == null ? null : thumbprintOf(certificate)),
    }),
    lastAcceptedAt: t.expose('credentialAcceptedAt', {
      type: 'DateTime',
      nullable: true,
      description:
        'When Microsoft last took it, to a quarter of an hour; null when it was not tried yet, as with an app of many tenants before anybody signed in.',
    }),
  }),
});

builder.objectField(Integration, 'credential', (t) =>
  t.field({
    type: CredentialType,
    description: 'What it proves itself with.',
    resolve: (integration) => integration,
  }),
);

const ClientCertificateInput = builder.inputType('ClientCertificateInput', {
  description:
    'A certificate that was uploaded to the app registration, with its private key. RSA of 2048 bits or more.',
  fields: (t) => ({
    certificate: t.string({ required: true, description: 'The certificate in PEM.' }),
    privateKey: t.string({
      required: true,
      description: 'Its private key in PEM, without a password. It is sealed, and never shown again.',
    }),
  }),
});

mutation('createIntegration', {
  description:
    'Makes an integration from an app registration, with a client secret or a certificate. Microsoft is asked first: a tenant that does not exist or belongs to another cloud, and for an app of one tenant a wrong client id or credential, are refused at once. When Microsoft cannot be reached nothing is saved (SIGN_IN_UNAVAILABLE); try again. Afterwards only the credential can be changed, with rotateCredential.',
  permission: 'integration:manage',
  input: (t) => ({
    cloud: t.field({
      type: CloudEnum,
      required: true,
      defaultValue: 'GLOBAL',
      description: 'Which cloud the app registration belongs to.',
    }),
    authorizationMode: t.field({
      type: AuthorizationModeEnum,
      required: true,
      defaultValue: 'DELEGATED',
      description: 'In whose name it acts. In application mode it has one account at once: the tenant.',
    }),
    tenantId: t.string({
      required: true,
      description:
        'The id or domain of the tenant; common, organizations or consumers for apps of many tenants, which application mode does not take.',
    }),
    clientId: t.string({ required: true, description: 'The id of the app registration, a UUID.' }),
    clientSecret: t.string({
      description: 'The value of a client secret. It is sealed, and never shown again.',
    }),
    certificate: t.field({
      type: ClientCertificateInput,
      description: 'A certificate, in place of a client secret.',
    }),
    credentialExpiresAt: t.field({
      type: 'DateTime',
      description:
        'When the client secret expires, as Microsoft shows beside it: warnings come 30, 7 and 1 days before. A certificate says it itself.',
    }),
  }),
  payload: {
    integration: { type: Integration, description: 'The integration.' },
    isCredentialVerified: {
      type: 'Boolean',
      description:
        'Whether Microsoft has taken client id and credential. False for an app of many tenants, where the first sign-in shows it; and in application mode while the tenant does not know the app: the account waits for an administrator then (NEEDS_CONSENT), whose consent shows it.',
    },
  },
  errors: [InvalidInputError, IntegrationExistsError, RegistrationError],
  resolve: ({ clientSecret, certificate, credentialExpiresAt, ...input }, { em, actor, services }) =>
    services.microsoft365.createIntegration(em, actor.organizationId, {
      ...input,
      clientSecret: clientSecret ?? null,
      certificate: certificate ?? null,
      credentialExpiresAt: credentialExpiresAt ?? null,
    }),
});

mutation('rotateCredential', {
  description:
    'Replaces the credential of an integration by another secret or certificate, once Microsoft has taken the new one; when it refuses, the old one stays. Mail goes on meanwhile. Accounts that Microsoft refused because of the old one heal at once.',
  permission: 'integration:manage',
  input: (t) => ({
    integrationId: t.id({ required: true, description: 'Which integration.' }),
    clientSecret: t.string({
      description: 'The value of the new client secret. It is sealed, and never shown again.',
    }),
    certificate: t.field({
      type: ClientCertificateInput,
      description: 'The new certificate, in place of a client secret.',
    }),
    credentialExpiresAt: t.field({
      type: 'DateTime',
      description: 'When the new client secret expires, as Microsoft shows beside it.',
    }),
  }),
  payload: {
    integration: { type: Integration, description: 'The integration.' },
    isCredentialVerified: {
      type: 'Boolean',
      description:
        'Whether Microsoft has taken the credential. False for an app of many tenants that nobody has signed in to, or that no administrator of its tenant has consented to.',
    },
  },
  errors: [NotFoundError, InvalidInputError, RegistrationError],
  resolve: ({ integrationId, clientSecret, certificate, credentialExpiresAt }, { em, services }) =>
    services.microsoft365.rotateCredential(em, decodeId('Integration', integrationId), {
      clientSecret: clientSecret ?? null,
      certificate: certificate ?? null,
      credentialExpiresAt: credentialExpiresAt ?? null,
    }),
});
