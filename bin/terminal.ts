/** Whether somebody sits at a descriptor. */
import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import { deviceNumber } from '../core/device/device-number.ts';

/** /dev/null, on Linux. */
const NULL_DEVICE = '1:3';

/** True if the descriptor is a terminal. Most are not, and those are told without node's terminals: loading them takes 8 ms. */
export function isTerminal(fd: number): boolean {
  if (process.platform === 'win32') return isatty(fd);
  try {
    const stats = fstatSync(fd);
    return stats.isCharacterDevice() && deviceNumber(stats.rdev) !== NULL_DEVICE && isatty(fd);
  } catch {
    return false;
  }
}
