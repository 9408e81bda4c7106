import { expect, test } from 'vitest';
import { isPushProbe, PROBE_SUBJECT } from '../../src/microsoft365/push-probe.ts';

test('only a draft of the probe’s own name is passed over: never a mail, never somebody’s draft', () => {
  expect(isPushProbe({ isDraft: true, subject: PROBE_SUBJECT })).toBe(true);
  expect(isPushProbe({ isDraft: false, subject: PROBE_SUBJECT })).toBe(false);
  expect(isPushProbe({ isDraft: true, subject: `RE: ${PROBE_SUBJECT}` })).toBe(false);
  expect(isPushProbe({ isDraft: true, subject: '' })).toBe(false);
});
