import { expect, test } from 'vitest';
import { isForgedSender } from '../../src/ticketing/sender-proof.ts';

const NAME = 'Authentication-Results';

test.each<[string, boolean, ...string[]]>([
  ['nothing is said: mail within a tenant', false],
  ['all is well', false, 'spf=pass; dkim=pass; dmarc=pass action=none;compauth=pass reason=100'],
  [
    'the domain has a policy, and the mail does not keep it',
    true,
    'spf=fail; dkim=none; dmarc=fail action=quarantine',
  ],
  [
    'the domain has no policy, and Exchange sees through it',
    true,
    'spf=pass; dmarc=none; CompAuth=Fail reason=001',
  ],
  ['Exchange trusts what a forwarder has changed', false, 'dkim=fail; dmarc=fail; compauth=pass reason=130'],
  ['the sender wrote a better verdict below', true, 'dmarc=fail', 'dmarc=pass; compauth=pass'],
  ['the sender wrote a worse one below', false, 'dmarc=pass; compauth=pass', 'dmarc=fail'],
])('%s', (_what, isForged, ...verdicts) => {
  expect(isForgedSender(verdicts.map((value) => ({ name: NAME, value })))).toBe(isForged);
});
