/** An absolute path without `.`, `..` and doubled slashes, resolved by name as a shell does for cd. */
export function tidyPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}

/** The path of `name` in the directory at `path`. */
export function childPath(path: string, name: string): string {
  return `${path.endsWith('/') ? path : `${path}/`}${name}`;
}
