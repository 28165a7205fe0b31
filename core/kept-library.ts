/** Libraries with compiled parts, which npm installs beside the program for the machine that it runs on. */
import { FsError } from './errors.ts';

/**
 * What `load` takes from the package `name`.
 * @throws FsError ELIBACC where the package is not installed, or not for this machine
 */
export function keptLibrary<T>(name: string, load: () => T): T {
  try {
    return load();
  } catch (cause) {
    throw new FsError('ELIBACC', { detail: `the npm package ${name} is not installed beside fsio`, cause });
  }
}
