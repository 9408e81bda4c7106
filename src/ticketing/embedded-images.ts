import { randomUUID } from 'node:crypto';

/** Shorter ones, such as icons, may stay where they are: they take little of what a body may have. */
const LARGE_IMAGE_LENGTH = 10_000;

/** What the large images of one mail may have together, in characters of base64: 3 MB of image. */
export const MAX_EMBEDDED_IMAGES_LENGTH = 4_000_000;

/** Linear: nothing that the first part needs can be within the second. */
const EMBEDDED_IMAGE = /data:image\/([\w.+-]{1,30})(?:;[\w.=-]{1,40}){0,3};base64,([a-z0-9+/=\s]*)/gi;

/** Those that are shown (see html-sanitizing.ts), by what mail calls them. */
const SHOWN = new Map([
  ['png', 'png'],
  ['jpeg', 'jpeg'],
  ['jpg', 'jpeg'],
  ['gif', 'gif'],
  ['webp', 'webp'],
]);

/** A body without its large images, and how they come back. */
export interface BodyWithoutImages {
  html: string;
  /** Says in sanitised HTML where an image was left out: before text is made of it. */
  nameLeftOut(safe: string): string;
  /** The images, where they were. */
  putBack(content: string): string;
  /** Images that do not come back. */
  leftOut: number;
}

/**
 * Takes the large images out that a body holds within itself (`data:` addresses, RFC 2397; pasted screenshots), so that
 * neither bounds nor readers of the text have to do with megabytes of base64. What stands for them is drawn by lot for each
 * mail: nobody can write it into a mail to have an image come back a thousand times.
 */
export function takeOutEmbeddedImages(content: string): BodyWithoutImages {
  const images: string[] = [];
  const left: number[] = [];
  const lot = randomUUID().replaceAll('-', '');
  let room = MAX_EMBEDDED_IMAGES_LENGTH;
  const html = content.replace(EMBEDDED_IMAGE, (all: string, given: string, base64: string) => {
    if (base64.length < LARGE_IMAGE_LENGTH) return all;
    const kind = SHOWN.get(given.toLowerCase());
    if (kind === undefined || base64.length > room) {
      return `data:image/png;base64,${lot}x${left.push(base64.length) - 1}x`;
    }
    room -= base64.length;
    return `data:image/${kind};base64,${lot}y${images.push(base64) - 1}y`;
  });
  if (images.length === 0 && left.length === 0) return NOTHING(content);
  const element = new RegExp(`<img\\b[^<>]*\\bsrc=["']?data:image/png;base64,${lot}x(\\d+)x[^<>]*>`, 'g');
  const address = new RegExp(`data:image/png;base64,${lot}x(\\d+)x`, 'g');
  const shown = new RegExp(`${lot}y(\\d+)y`, 'g');
  const note = (index: string) => `[${noteOf(left[Number(index)] ?? 0)}]`;
  return {
    html,
    nameLeftOut: (safe) =>
      safe
        .replace(element, (_all, index: string) => `<em>${note(index)}</em>`)
        .replace(address, (_all, index: string) => note(index)),
    putBack: (safe) => safe.replace(shown, (_all, index: string) => images[Number(index)] ?? ''),
    leftOut: left.length,
  };
}

const NOTHING = (html: string): BodyWithoutImages => ({
  html,
  nameLeftOut: (safe) => safe,
  putBack: (safe) => safe,
  leftOut: 0,
});

function noteOf(length: number): string {
  const megabytes = Math.max(0.1, Math.round((length * 3) / 4 / 104_857.6) / 10);
  return `An image of about ${megabytes} MB that is part of this message was left in the mailbox.`;
}
