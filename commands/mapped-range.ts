/** Ranges of the current mapping, as the mapping commands take them (xfs_io's check_mapping_range). */
import { exactPos } from '../core/positions.ts';
import { CommandFailure } from './failure.ts';
import { BASE } from './regions.ts';
import type { Session } from './session.ts';

/** The unit of mappings. */
export const PAGE = 4096;

/** The range that two operands name, or the whole region. @throws CommandFailure when it leaves the region */
export function rangeOf(
  session: Session,
  operands: readonly string[],
  misused: CommandFailure,
): { offset: number; length: number } {
  const region = session.mapped();
  if (operands.length === 0) return { offset: region.offset, length: region.length };
  if (operands.length !== 2) throw misused;
  const { pos: offset, length } = session.range(...(operands as [string, string]), 'loose');
  const relative = offset - region.offset;
  const complain = (text: string) => new CommandFailure(text, { stream: 'stdout' });
  if (relative < 0)
    throw complain(`offset (${exactPos(offset)}) is before start of mapping (${exactPos(region.offset)})`);
  if (relative > region.length)
    throw complain(`offset (${relative}) is beyond end of mapping (${exactPos(region.offset)})`);
  if (relative + length > region.offset + region.length) {
    throw complain(
      `range (${exactPos(offset)}:${relative}) is beyond mapping (${exactPos(region.offset)}:${region.length})`,
    );
  }
  return { offset, length };
}

/** Where a position of the current region's file would lie in memory. */
export function addressOf(session: Session, pos: number): string {
  const region = session.mapped();
  const base = BASE + session.regions.indexOf(region) * 2 ** 32;
  return `0x${(base + pos - region.offset).toString(16)}`;
}
