/** frag, freesp, blockuse, convert: xfs_db's questions about space and addresses. */
import { fixed } from '../../../core/fixed.ts';
import { WordFailure, word } from '../../../core/vfs/word.ts';
import { blockUse } from '../inspect/block-use.ts';
import { ConvertError, convert } from '../inspect/convert.ts';
import { ALL_KINDS, fragmentation } from '../inspect/fragmentation.ts';
import { countFree, type FreeClass, freeClasses, freeExtents } from '../inspect/free-extents.ts';
import { mountOf } from './mount-of.ts';
import { inspectorOf } from './places.ts';

interface Out {
  write(text: string): void;
}

const frag = word({
  name: 'frag',
  about: 'how scattered the files are',
  options: {
    a: { about: 'attributes' },
    d: { about: 'directories' },
    f: { about: 'files' },
    l: { about: 'symbolic links' },
    q: { about: 'quota files' },
    R: { about: 'realtime control files' },
    r: { about: 'realtime files' },
    v: { about: 'each inode' },
  },
  run(context, { options: o }) {
    const any = o.a || o.d || o.f || o.l || o.q || o.R || o.r;
    const kinds = any
      ? { attr: o.a, dir: o.d, file: o.f, symlink: o.l, quota: o.q, realtimeControl: o.R, realtime: o.r }
      : ALL_KINDS;
    const lines: string[] = [];
    const total = fragmentation(mountOf(context), kinds, (ino, own) => {
      if (o.v) lines.push(`inode ${ino} actual ${own.actual} ideal ${own.ideal}\n`);
    });
    const { actual, ideal } = total;
    const factor = actual === 0 ? 0 : ((actual - ideal) * 100) / actual;
    return {
      data: { ...total, factor },
      text(out) {
        out.write(lines.join(''));
        out.write(`actual ${actual}, ideal ${ideal}, fragmentation factor ${fixed(factor, 2)}%\n`);
        out.write('Note, this number is largely meaningless.\n');
        const average = ideal === 0 ? 0 : actual / ideal;
        out.write(`Files on this filesystem average ${fixed(average, 2)} extents per file\n`);
      },
    };
  },
});

const freesp = word({
  name: 'freesp',
  // Operands are those of xfs_io's word of this name.
  claims: (_, operands) => operands.length === 0 || operands.some((word) => word.startsWith('-')),
  about: 'free space by the size of its extents',
  options: {
    a: { value: 'agno', kind: 'integer', about: 'only this group' },
    b: { about: 'classes: each twice the one before (the usual)' },
    c: { about: 'walk by size, not by place' },
    d: { about: 'list every extent' },
    e: { value: 'blocks', kind: 'integer', about: 'classes of so many blocks each' },
    h: { value: 'blocks', kind: 'integer', about: 'a class that begins here' },
    m: { value: 'factor', kind: 'integer', about: 'classes: each this many times the one before' },
    s: { about: 'with totals' },
  },
  run(context, { options }) {
    const mp = mountOf(context);
    const how =
      options.h !== undefined
        ? { bounds: [options.h] }
        : options.e !== undefined
          ? { step: options.e }
          : { multiply: options.m ?? 2 };
    const classes = freeClasses(mp, how);
    const list: [number, number, number][] = [];
    let extents = 0;
    let blocks = 0;
    for (let agno = 0; agno < mp.agCount; agno++) {
      if (options.a !== undefined && options.a !== agno) continue;
      freeExtents(mp, agno, options.c, (agbno, length) => {
        if (options.d) list.push([agno, agbno, length]);
        countFree(classes, length);
        extents++;
        blocks += length;
      });
    }
    return {
      data: { classes: classes.filter((one) => one.extents > 0), extents, blocks, ...(options.d ? { list } : {}) },
      text(out) {
        if (options.d) writeList(list, out);
        writeClasses(classes, blocks, out);
        if (!options.s) return;
        out.write(`total free extents ${extents}\ntotal free blocks ${blocks}\n`);
        out.write(`average free extent size ${general(extents === 0 ? 0 : blocks / extents)}\n`);
      },
    };
  },
});

const column = (value: number | string): string => String(value).padStart(8);

function writeList(list: readonly (readonly [number, number, number])[], out: Out): void {
  out.write(`${column('agno')} ${column('agbno')} ${column('len')}\n`);
  for (const [agno, agbno, length] of list) out.write(`${column(agno)} ${column(agbno)} ${column(length)}\n`);
}

function writeClasses(classes: readonly FreeClass[], blocks: number, out: Out): void {
  const seven = (value: number | string) => String(value).padStart(7);
  out.write(`${seven('from')} ${seven('to')} ${seven('extents')} ${seven('blocks')} ${'pct'.padStart(6)}\n`);
  for (const { from, to, extents, blocks: own } of classes) {
    if (extents === 0) continue;
    const share = fixed((own * 100) / blocks, 2).padStart(6);
    out.write(`${seven(from)} ${seven(to)} ${seven(extents)} ${seven(own)} ${share}\n`);
  }
}

/** printf's "%g" of a number that is not negative. */
function general(value: number): string {
  const [digits = '', exponent = '0'] = value.toExponential(5).split('e');
  if (Number(exponent) < 6) return String(Number(value.toPrecision(6)));
  return `${Number(digits)}e+${exponent.slice(1).padStart(2, '0')}`;
}

const blockuse = word({
  name: 'blockuse',
  operands: '',
  about: 'who owns the block that is looked at',
  options: { c: { value: 'n', kind: 'integer', about: 'n blocks from there on' }, n: { about: 'accepted' } },
  run(context, { options }) {
    const mp = mountOf(context);
    const addr = inspectorOf(context).currentAddr ?? 0;
    const fsb = mp.addrToFsb(addr);
    const agno = mp.fsbToAgno(fsb);
    const uses: { fsblock: number; agno: number; agbno: number; type: string; ino: number | null }[] = [];
    const first = mp.fsbToAgbno(fsb);
    for (let agbno = first; agbno < Math.min(first + (options.c ?? 1), mp.agSize(agno)); agbno++) {
      uses.push({ fsblock: mp.agbToFsb(agno, agbno), agno, agbno, ...blockUse(mp, agno, agbno) });
    }
    return {
      data: { blocks: uses },
      text(out) {
        for (const { fsblock, agbno, type, ino } of uses) {
          const owner = ino === null ? '' : ` inode ${ino}`;
          out.write(`block ${fsblock} (${agno}/${agbno}) type ${type}${owner}\n`);
        }
      },
    };
  },
});

const convertWord = word({
  name: 'convert',
  operands: 'form number [form number...] form',
  about: 'an address in another form',
  run(context, { operands }) {
    try {
      const value = convert(mountOf(context), operands, inspectorOf(context).currentGroup);
      const text = `0x${value.toString(16)} (${value})`;
      return { data: { value: Number(value) }, text: (out) => out.write(`${text}\n`) };
    } catch (error) {
      throw error instanceof ConvertError ? new WordFailure(error.message, 'stdout') : error;
    }
  },
});

export const spaceWords = [frag, freesp, blockuse, convertWord] as const;
