import { expect, test } from 'vitest';
import { prepareBodies } from '../../src/ticketing/bodies.ts';
import { HOSTILE_HTML } from '../security/hostile-html.ts';
import { findChromium, NO_CHROMIUM, openInChromium } from './chromium.ts';
import { type HostileMail, hostileMails } from './hostile-mail.ts';
import { type Insertion, type Sightings, startMailPages } from './mail-page.ts';

/*
 * HTML of mails in a real browser, in a page without any protection of its own, as a careless client would show it. The
 * same page with the mails as they came is the control: it must notice the harm that the sanitised ones do not do.
 */

const chromium = findChromium();
const INSERTIONS: Insertion[] = ['document', 'innerHTML'];
/** A busy machine takes its time; an idle one ten seconds. */
const DEADLINE = 120_000;

/** Shows each mail in both ways, and tells what happened by mail. `loads`: nothing in a mail keeps it from loading. */
async function shown(path: string, prepare: (html: string) => string, loads: boolean) {
  await using pages = await startMailPages();
  const listed = HOSTILE_HTML.map((html) => ({ kind: 'the list of test/security', html }));
  const count = hostileMails(() => '').length + listed.length;
  const mails = INSERTIONS.flatMap((insertion, round) => {
    const canaryFor = (index: number) => pages.canaryFor(round * count + index);
    const named = listed.map(({ kind, html }, index) => ({
      kind,
      html: html
        .replaceAll('XSS()', 'pwned()')
        .replaceAll(/(<a [^>]*href="https:\/\/evil\.example)"/g, '$1/link"') // a person follows links, and may
        .replaceAll(/https:\/\/evil\.example/g, canaryFor(count - listed.length + index))
        .replaceAll('evil.example', canaryFor(count - listed.length + index).slice('http://'.length)),
    }));
    return [...hostileMails(canaryFor), ...named].map(({ kind, html }) => ({ kind, html, insertion }));
  });
  const sightings = pages.show(
    mails.map(({ html, insertion }) => ({ html: prepare(html), insertion })),
    { loads, deadlineMilliseconds: DEADLINE },
  );
  sightings.catch(() => undefined); // awaited below, when the browser is there
  await using _browser = await openInChromium(path, pages.url);
  return { mails, sightings: await sightings };
}

function harmOf(mails: readonly HostileMail[], { seen, remote }: Sightings) {
  return mails.flatMap(({ kind, html }, index) => {
    const what = [
      ...(seen.get(index) ?? []),
      ...[...(remote.get(index) ?? [])].map((path) => `loaded ${path}`),
    ];
    return what.length === 0 ? [] : [{ index, kind, html, what }];
  });
}

if (chromium === null) {
  test.skip(`hostile mails in a browser (${NO_CHROMIUM})`, () => undefined);
} else {
  test('sanitised, a hostile mail runs nothing, loads nothing and leaves the page around it alone', {
    timeout: 2 * DEADLINE,
  }, async () => {
    const { mails, sightings } = await shown(
      chromium,
      (html) => prepareBodies({ contentType: 'html', content: html }, null).html ?? '',
      true,
    );
    expect(harmOf(mails, sightings)).toEqual([]);
    expect(sightings.shown.size, 'every mail was shown to its end').toBe(mails.length);
    expect(mails.length).toBeGreaterThan(2 * 200);
  });

  test('control: unsanitised, the same page notices harm of every kind', {
    timeout: 2 * DEADLINE,
  }, async () => {
    const { mails, sightings } = await shown(chromium, (html) => html, false);
    const harm = harmOf(mails, sightings);
    if (process.env['TEST_LOG_LEVEL'] === 'debug') process.stderr.write(`${JSON.stringify(harm, null, 1)}\n`);
    expect(new Set(harm.map(({ kind }) => kind))).toEqual(new Set(mails.map(({ kind }) => kind)));
    const all = new Set(harm.flatMap(({ what }) => what.map((one) => one.split(' ')[0])));
    expect([...all]).toEqual(expect.arrayContaining(['ran', 'clobbered', 'covered', 'escaped', 'loaded']));
    expect(harm.length).toBeGreaterThan(mails.length / 2);
  });
}
