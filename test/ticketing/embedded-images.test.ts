import { describe, expect, test } from 'vitest';
import { MAX_TEXT_LENGTH, prepareBodies } from '../../src/ticketing/bodies.ts';
import { MAX_EMBEDDED_IMAGES_LENGTH, takeOutEmbeddedImages } from '../../src/ticketing/embedded-images.ts';

const html = (content: string) => ({ contentType: 'html' as const, content });
const image = (length: number, kind = 'png') => `data:image/${kind};base64,${'A'.repeat(length)}`;
const LARGE = 1_500_000;

describe('images within the HTML', () => {
  test('that are large come back to their places, and never take the room of the text', () => {
    const {
      html: kept,
      text,
      isShortened,
    } = prepareBodies(
      html(`<p>One</p><img src="${image(LARGE)}"><p>Two</p><img src='${image(LARGE, 'gif')}'><p>Three</p>`),
      html(`<p>One</p><img src="${image(LARGE)}"><p>Two</p>`),
    );
    expect(kept).toBe(
      `<p>One</p><img src="${image(LARGE)}" /><p>Two</p><img src="${image(LARGE, 'gif')}" /><p>Three</p>`,
    );
    expect(text).toBe('One\n\nTwo\n\nThree');
    expect(isShortened).toBe(false);
  });

  test('are called as mail calls them, over several lines, with parameters', () => {
    const lines = `data:image/jpg;name=a.jpg;base64,${'ABCD'.repeat(20)}\r\n`.padEnd(20_000, 'ABCD');
    expect(prepareBodies(html(`<img src="${lines}">`), null).html).toMatch(
      /^<img src="data:image\/jpeg;base64,ABCD[A-D\s]{19000,}" \/>$/,
    );
  });

  test.each([
    ['above what is kept', image(MAX_EMBEDDED_IMAGES_LENGTH + 4), '2.9 MB'],
    ['of a kind that is never shown', image(LARGE, 'svg+xml'), '1.1 MB'],
  ])('%s are named in their places, and the mail counts as shortened', (_what, source, size) => {
    const {
      html: kept,
      text,
      strippedText,
      isShortened,
    } = prepareBodies(
      html(`<p>One</p><img alt="x" src="${source}" width=5><p>Two</p>`),
      html(`<p>One</p><img alt="x" src="${source}" width=5><p>Two</p>`),
    );
    const note = `[An image of about ${size} that is part of this message was left in the mailbox.]`;
    expect(kept).toBe(`<p>One</p><em>${note}</em><p>Two</p>`);
    expect(text).toContain(note);
    expect(strippedText).toContain(note);
    expect(isShortened).toBe(true);
  });

  test('share one room: what is over it is left out, and the others stay', () => {
    const { html: kept, isShortened } = prepareBodies(html(`<img src="${image(LARGE)}">`.repeat(3)), null);
    expect(kept?.split('<img ').length).toBe(3);
    expect(kept?.split('<em>').length).toBe(2);
    expect(isShortened).toBe(true);
  });

  test('that are small stay as they were', () => {
    const content = `<img src="${image(2_000)}">`;
    expect(takeOutEmbeddedImages(content).html).toBe(content);
  });

  test('written out as text are text', () => {
    const { html: kept, text } = prepareBodies(html(`<p>&lt;img src=${image(20_000)}&gt;</p>`), null);
    expect(kept).toBe(`<p>&lt;img src=${image(20_000)}&gt;</p>`);
    expect(text).toBe(`<img src=${image(20_000)}>`);
  });

  test('cannot be multiplied: what stands for them is another word in each mail', () => {
    const taken = [1, 2].map(() => takeOutEmbeddedImages(`<img src="${image(LARGE)}">`).html);
    expect(taken[0]).not.toBe(taken[1]);
    // And nothing but a body of its own brings it back.
    const { putBack } = takeOutEmbeddedImages(`<img src="${image(LARGE)}">`);
    expect(putBack(taken[0] ?? '')).toBe(taken[0]);
  });

  test.each([
    ['nothing but beginnings', 'data:image/png;base64,'.repeat(450_000)],
    ['nothing but parameters', 'data:image/png;a=b;a=b;a=b'.repeat(400_000)],
    ['a thousand of them', `<img src="${image(10_000)}">`.repeat(1_000)],
    ['images that do not end', `<img src="${image(9_000_000)}`],
  ])('take linear time: %s', (_what, content) => {
    const begin = process.cpuUsage();
    const bodies = prepareBodies(html(content), null);
    const { user, system } = process.cpuUsage(begin);
    expect((user + system) / 1_000).toBeLessThan(5_000);
    expect((bodies.html ?? '').length).toBeLessThan(2 * MAX_EMBEDDED_IMAGES_LENGTH);
  });
});

describe('a mail counts as shortened', () => {
  test.each([
    ['text that is cut', { contentType: 'text' as const, content: 'x'.repeat(MAX_TEXT_LENGTH + 1) }],
    ['HTML that is cut', html(`<p>${'x '.repeat(600_000)}</p>`)],
    ['HTML whose text is cut', html(`<p>${'x'.repeat(MAX_TEXT_LENGTH + 1)}</p>`)],
    ['HTML of which the text grows by escaping', html(`<p>${'&'.repeat(900_000)}</p>`)],
  ])('%s', (_what, body) => {
    const { isShortened, text } = prepareBodies(body, null);
    expect(isShortened).toBe(true);
    expect(text).toContain('The rest of this message was cut off');
  });

  test('nothing else does', () => {
    const whole = { contentType: 'text' as const, content: 'x'.repeat(MAX_TEXT_LENGTH) };
    expect(prepareBodies(whole, null).isShortened).toBe(false);
    expect(prepareBodies(html(`<p>${'x'.repeat(MAX_TEXT_LENGTH)}</p>`), null).isShortened).toBe(false);
    expect(prepareBodies(html('<script>x()</script>'), null).isShortened).toBe(false);
  });
});
