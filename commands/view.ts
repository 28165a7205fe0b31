/** What the shell can show to be moved through with keys. */
import type { MapModel } from './map/model.ts';

export type View =
  | { readonly kind: 'map'; readonly model: MapModel }
  /** The directory to begin in, from the root of the image. */
  | { readonly kind: 'browse'; readonly path: string };
