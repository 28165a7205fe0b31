import type { XfsMount } from '../../mount.ts';
import type { Intent } from './intents.ts';
export function finishIntents(_mp: XfsMount, intents: readonly Intent[]): void {
  for (const i of intents) console.error('intent', i);
}
