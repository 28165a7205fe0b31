/** sb, agf, agi, agfl, inode, fsblock, daddr, dblock, ablock, addr, type, print: looking at structures, as in xfs_db. */
import type { Filesystem } from '../../../core/vfs/filesystem.ts';
import { says, type WordContext, WordFailure, word } from '../../../core/vfs/word.ts';
import { PathError } from '../inspect/field.ts';
import { InspectError, Inspector } from '../inspect/inspector.ts';
import { blockTypes } from '../inspect/types.ts';
import { inodeUse } from './inode-use.ts';
import { mountOf } from './mount-of.ts';

const inspectors = new WeakMap<Filesystem, Inspector>();

/** What the session looks at on this image. */
export function inspectorOf(context: WordContext): Inspector {
  let inspector = inspectors.get(context.fs);
  if (inspector === undefined) {
    inspector = new Inspector(mountOf(context));
    inspectors.set(context.fs, inspector);
  }
  return inspector;
}

/** Runs a question; what xfs_db would complain of becomes the word's failure. */
export function asked<T>(question: () => T): T {
  try {
    return question();
  } catch (error) {
    const said = error instanceof InspectError || error instanceof PathError;
    throw said ? new WordFailure(error.message, 'stdout') : error;
  }
}

function headerWord(name: 'sb' | 'agf' | 'agi' | 'agfl', what: string) {
  return word({
    name,
    count: [0, 1],
    operands: '[agno]',
    about: `look at ${what}`,
    run(context, { operands }) {
      asked(() => inspectorOf(context).header(name, operands[0]));
      return undefined;
    },
  });
}

function fsblockOf(context: WordContext): number | null {
  const addr = inspectorOf(context).currentAddr;
  return addr === null ? null : mountOf(context).addrToFsb(addr);
}

export const placeWords = [
  headerWord('sb', 'a superblock'),
  headerWord('agf', "a group's free-space header"),
  headerWord('agi', "a group's inode header"),
  headerWord('agfl', "a group's free list"),
  word({
    name: 'inode',
    count: [0, 3],
    xfsIo: 'once',
    operands: '[number]',
    // Scripts tell the usage line from an answer by its first word, xfs_io's.
    about: 'Query whether an inode number is in use; without an open file: look at that inode',
    options: { n: { about: 'the next inode in use' }, v: { about: 'with its size in bits' } },
    run(context, { options, operands }) {
      if (context.file !== null || options.n || options.v) return inodeUse(context, options, operands);
      const inspector = inspectorOf(context);
      if (operands.length > 1) throw context.usage();
      const [number] = operands;
      if (number !== undefined) {
        asked(() => inspector.inode(number));
        return undefined;
      }
      const ino = inspector.currentInode;
      return says({ ino }, [ino === null ? 'no current inode' : `current inode number is ${ino}`]);
    },
  }),
  word({
    name: 'fsblock',
    alias: 'fsb',
    count: [0, 1],
    operands: '[block]',
    about: 'look at a block of the file system',
    run(context, { operands: [block] }) {
      if (block === undefined)
        return says({ fsblock: fsblockOf(context) }, [`current fsblock is ${fsblockOf(context) ?? 0}`]);
      asked(() => inspectorOf(context).fsblock(block));
      return undefined;
    },
  }),
  word({
    name: 'daddr',
    count: [0, 1],
    operands: '[sector]',
    about: 'look at a sector of the device',
    run(context, { operands: [sector] }) {
      if (sector === undefined) {
        const daddr = (inspectorOf(context).currentAddr ?? 0) / 512;
        return says({ daddr }, [`current daddr is ${daddr}`]);
      }
      asked(() => inspectorOf(context).daddr(sector));
      return undefined;
    },
  }),
  word({
    name: 'dblock',
    count: [1, 1],
    operands: 'block',
    about: "look at a block of the inode's data",
    run(context, { operands }) {
      asked(() => inspectorOf(context).forkBlock(operands[0] as string, 'data'));
      return undefined;
    },
  }),
  word({
    name: 'ablock',
    count: [1, 1],
    operands: 'block',
    about: "look at a block of the inode's attributes",
    run(context, { operands }) {
      asked(() => inspectorOf(context).forkBlock(operands[0] as string, 'attr'));
      return undefined;
    },
  }),
  word({
    name: 'addr',
    alias: 'a',
    count: [0, 1],
    operands: '[field]',
    about: 'look at what a field of the structure points to, or tell where the session looks',
    run(context, { operands: [field] }) {
      const inspector = inspectorOf(context);
      if (field === undefined) return says({ addr: inspector.currentAddr }, [inspector.describe()]);
      asked(() => inspector.follow(field));
      return undefined;
    },
  }),
  word({
    name: 'type',
    count: [0, 1],
    operands: '[type]',
    about: 'look at the same place as a structure of another type',
    run(context, { operands: [name] }) {
      const inspector = inspectorOf(context);
      if (name === undefined) {
        const types = blockTypes(mountOf(context)).map((type) => type.name);
        const current =
          inspector.currentType === null ? 'no current type' : `current type is "${inspector.currentType}"`;
        return says({ type: inspector.currentType, types }, [current, '', ' supported types are:', listed(types)]);
      }
      asked(() => inspector.type(name));
      return undefined;
    },
  }),
  word({
    name: 'print',
    alias: 'p',
    operands: '[field...]',
    about: 'print the structure that is looked at',
    // The list of open files has the same name; a place to look at decides.
    claims: (context) => inspectorOf(context).currentType !== null,
    run(context, { operands }) {
      const fields = asked(() => inspectorOf(context).print(operands));
      return {
        data: { fields: Object.fromEntries(fields.map(({ name, value }) => [name, value])) },
        text(out) {
          for (const { text } of fields) out.write(`${text}\n`);
        },
      };
    },
  }),
] as const;

/** Names with commas, eight a line, as xfs_db lists its types. */
function listed(names: readonly string[]): string {
  const lines: string[] = [];
  for (let i = 0; i < names.length; i += 8)
    lines.push(` ${names.slice(i, i + 8).join(', ')}${i + 8 < names.length ? ', ' : ''}`);
  return lines.join('\n');
}
