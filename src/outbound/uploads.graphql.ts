import { InvalidInputError } from '../errors.ts';
import { builder, errorType } from '../graphql/builder.ts';
import { encodeGlobalId } from '../graphql/global-id.ts';
import { mutation } from '../graphql/mutation.ts';
import type { Upload } from './upload.entity.ts';
import { createUpload, TooManyUploadsError } from './uploads.ts';

errorType(TooManyUploadsError, 'Too many uploads wait to be used.');

const UploadType = builder.objectRef<Upload>('Upload').implement({
  description: 'A file that you bring for a reply.',
  authScopes: { permission: 'ticket:reply' },
  fields: (t) => ({
    id: t.id({
      description: 'Its id, for `uploadIds`, and for `cid:` in the HTML of the reply.',
      resolve: ({ id }) => encodeGlobalId('Upload', id),
    }),
    name: t.exposeString('name', { description: 'A file name that is safe on every system.' }),
    sizeBytes: t.exposeInt('sizeBytes', { description: 'How many bytes its content must have.' }),
    expiresAt: t.expose('expiresAt', {
      type: 'DateTime',
      description: 'When it is deleted, unless a reply has used it before.',
    }),
  }),
});

mutation('createUpload', {
  description:
    'Announces a file for a reply. Its content follows with `PUT` to `uploadUrl`, with the same Authorization header; only you can send and use it.',
  permission: 'ticket:reply',
  input: (t) => ({
    name: t.string({ required: true, description: 'The name of the file.' }),
    contentType: t.string({ required: true, description: 'Its media type, such as `application/pdf`.' }),
    sizeBytes: t.int({ required: true, description: 'Its exact size in bytes: 1 to 150,000,000 (150 MB).' }),
  }),
  payload: {
    upload: { type: UploadType, description: 'The upload.' },
    uploadUrl: {
      type: 'String',
      description: 'Where to send the content, whole: again from its beginning after a failure.',
    },
  },
  errors: [InvalidInputError, TooManyUploadsError],
  resolve: async (input, { em, actor, services }) => {
    const upload = await createUpload(em, input, { actor, now: services.clock.now() });
    return { upload, uploadUrl: `${services.publicUrl}/uploads/${encodeGlobalId('Upload', upload.id)}` };
  },
});
