import { MINUTE, SECOND } from '../platform/clock.ts';
import { CLOUDS, type CloudName } from './clouds.ts';
import type { EndpointOverrides } from './endpoints.ts';
import type { Integration } from './integration.entity.ts';
import type { PublicUrlAnswer } from './public-url-probe.ts';

/** What is looked at, in the order in which it is to be put right. */
export const SETUP_CHECKS = [
  'PUBLIC_URL_SET',
  'PUBLIC_URL_HTTPS',
  'PUBLIC_URL_ANSWERS',
  'CLOCK_SKEW',
  'ENCRYPTION_KEY',
  'CREDENTIAL_ACCEPTED',
] as const;
export type SetupCheckName = (typeof SETUP_CHECKS)[number];

/** `WARNING`: it works, and somebody should look. `UNKNOWN`: it could not be looked at. */
export const CHECK_RESULTS = ['PASSED', 'WARNING', 'FAILED', 'UNKNOWN'] as const;
export type CheckResult = (typeof CHECK_RESULTS)[number];

/** What one look at the set-up came to. */
export interface SetupCheck {
  name: SetupCheckName;
  result: CheckResult;
  /** What was found, as a sentence. */
  cause: string;
  /** What to do about it; null when there is nothing to do. */
  remedy: string | null;
  /** The integration that it is about; null for the installation. */
  integration: Integration | null;
}

/** What an installation is like, as far as the checks care. */
export interface Installation {
  /** Without a trailing slash; null when it is not set. */
  publicUrl: string | null;
  overrides: EndpointOverrides;
  /** Whether the encryption keys stand in the environment; in a file of the data directory otherwise. */
  isKeyConfigured: boolean;
  isProduction: boolean;
}

/** Microsoft takes assertions of certificates and notices of expiry within five minutes of its own time. */
const SKEW_WARNING = 2 * MINUTE;
const SKEW_FAILURE = 5 * MINUTE;

function check(
  name: SetupCheckName,
  result: CheckResult,
  cause: string,
  remedy: string | null = null,
): SetupCheck {
  return { name, result, cause, remedy, integration: null };
}

/** Whether there is an address that Microsoft and browsers can be given. */
export function checkPresence(publicUrl: string | null): SetupCheck {
  if (publicUrl !== null) return check('PUBLIC_URL_SET', 'PASSED', `PUBLIC_URL is ${publicUrl}.`);
  return check(
    'PUBLIC_URL_SET',
    'FAILED',
    'PUBLIC_URL is not set: sign-ins work in a browser on this machine only, and Microsoft cannot announce new mail.',
    'Set PUBLIC_URL to the address under which browsers and the internet reach this server, and start it again.',
  );
}

/** Whether the address is one that Microsoft takes: https, or this machine beside the emulator. */
export function checkScheme({ publicUrl, overrides }: Installation): SetupCheck {
  if (publicUrl === null) return unknownWithoutUrl('PUBLIC_URL_HTTPS');
  const { protocol, hostname } = new URL(publicUrl);
  if (protocol === 'https:') return check('PUBLIC_URL_HTTPS', 'PASSED', 'PUBLIC_URL is https.');
  const remedy = 'Put TLS in front of this server and set PUBLIC_URL to its https address.';
  if (!isLoopback(hostname)) {
    return check(
      'PUBLIC_URL_HTTPS',
      'FAILED',
      'PUBLIC_URL is not https: Microsoft takes http redirect URIs for localhost only, and announces mail to https addresses only.',
      remedy,
    );
  }
  const { loginUrl, graphUrl } = overrides;
  if (loginUrl !== null && graphUrl !== null) {
    return check('PUBLIC_URL_HTTPS', 'PASSED', 'PUBLIC_URL is this machine, which the emulator can call.');
  }
  return check(
    'PUBLIC_URL_HTTPS',
    'WARNING',
    'PUBLIC_URL is this machine: signing in works in a browser here, and new mail is polled, since Microsoft cannot call it.',
    remedy,
  );
}

/** What it means what answered under the public URL. */
export function checkAnswer(publicUrl: string | null, answer: PublicUrlAnswer | null): SetupCheck {
  if (publicUrl === null || answer === null) return unknownWithoutUrl('PUBLIC_URL_ANSWERS');
  switch (answer.kind) {
    case 'OURS':
      return check('PUBLIC_URL_ANSWERS', 'PASSED', 'This installation answers under PUBLIC_URL.');
    case 'REDIRECT':
      return check(
        'PUBLIC_URL_ANSWERS',
        'FAILED',
        `Under PUBLIC_URL something redirects (${answer.status}) instead of passing requests on.`,
        'Set PUBLIC_URL to the address after the redirect, and let requests to this server through without a sign-in page before them.',
      );
    case 'OTHER':
      return check(
        'PUBLIC_URL_ANSWERS',
        'FAILED',
        `Under PUBLIC_URL another server answers (${answer.status}), or one of this installation with other encryption keys.`,
        'Check host, port and path of PUBLIC_URL and where the proxy sends requests; every process needs the same PUBLIC_URL and DESKGRAPH_ENCRYPTION_KEYS.',
      );
    case 'NOTHING':
      return check(
        'PUBLIC_URL_ANSWERS',
        'FAILED',
        `Nothing answers under PUBLIC_URL, asked from this server: ${explain(answer.code)} (${answer.code}).`,
        'Check the host name, the certificate, the proxy and the firewall. Where this server alone cannot reach its public address, browsers and Microsoft still may: probePush tells.',
      );
  }
}

/** What a difference from Microsoft's time means, in milliseconds; null when it is not known. */
export function checkClock(skew: number | null, cloud: CloudName): SetupCheck {
  const [login, graph] = [CLOUDS[cloud].loginUrl, CLOUDS[cloud].graphUrl].map((url) => new URL(url).host);
  if (skew === null) {
    return check(
      'CLOCK_SKEW',
      'UNKNOWN',
      'Microsoft’s sign-in service did not answer, so its time is not known.',
      `Check the network between here and Microsoft: this server must reach ${login} and ${graph}.`,
    );
  }
  const seconds = Math.round(Math.abs(skew) / SECOND);
  const found = `The clock of this server is ${seconds} s ${skew < 0 ? 'behind' : 'ahead of'} Microsoft’s.`;
  const remedy = 'Let the machine take its time from a time server (NTP).';
  if (Math.abs(skew) >= SKEW_FAILURE) {
    return check(
      'CLOCK_SKEW',
      'FAILED',
      `${found} Microsoft refuses certificates, and tokens seem to last when they do not.`,
      remedy,
    );
  }
  if (Math.abs(skew) >= SKEW_WARNING) return check('CLOCK_SKEW', 'WARNING', found, remedy);
  return check('CLOCK_SKEW', 'PASSED', found);
}

/** Whether the encryption key is kept apart from what it seals. */
export function checkKey({ isKeyConfigured, isProduction }: Installation): SetupCheck {
  if (isKeyConfigured) {
    return check('ENCRYPTION_KEY', 'PASSED', 'The encryption keys come from DESKGRAPH_ENCRYPTION_KEYS.');
  }
  const found = 'The encryption key was made at the first start and lies in the data directory';
  if (!isProduction) {
    return check('ENCRYPTION_KEY', 'PASSED', `${found}, which is all right for trying things out.`);
  }
  return check(
    'ENCRYPTION_KEY',
    'WARNING',
    `${found}: who has a copy of the directory has the secrets, and a lost directory loses them.`,
    'Set DESKGRAPH_ENCRYPTION_KEYS to a new key, followed by the one in the file encryption.key of the data directory; secrets are sealed anew under the first.',
  );
}

function unknownWithoutUrl(name: SetupCheckName): SetupCheck {
  return check(name, 'UNKNOWN', 'PUBLIC_URL is not set.', 'Set PUBLIC_URL first.');
}

function explain(code: string): string {
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'the host name is not known';
  if (code === 'ECONNREFUSED') return 'the connection was refused';
  if (code === 'TIMEOUT' || code === 'ETIMEDOUT' || code.startsWith('UND_ERR')) {
    return 'no answer came within five seconds';
  }
  if (/CERT|TLS|SSL|SIGNATURE/.test(code)) return 'its certificate is not trusted, or is for another name';
  return 'the connection failed';
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}
