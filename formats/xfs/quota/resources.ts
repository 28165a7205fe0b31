/** What is counted and limited: blocks, inodes, blocks of the realtime device. */

/** The three things that are counted, by the names of their fields. */
export const RESOURCES = {
  blocks: { count: 'bcount', hard: 'blk_hardlimit', soft: 'blk_softlimit', timer: 'btimer', warns: 'bwarns' },
  inodes: { count: 'icount', hard: 'ino_hardlimit', soft: 'ino_softlimit', timer: 'itimer', warns: 'iwarns' },
  realtime: { count: 'rtbcount', hard: 'rtb_hardlimit', soft: 'rtb_softlimit', timer: 'rtbtimer', warns: 'rtbwarns' },
} as const;

export type Resource = keyof typeof RESOURCES;
